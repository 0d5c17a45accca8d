import { Effect, Random } from "effect"

/** How the appliance gets out of reach. */
export type OutageKind =
  /** The volume's export is switched off and on: connections end, and new ones are refused. */
  | "export"
  /** The appliance restarts, with SSH and every export. */
  | "appliance"
  /** The TCP port of the exports loses every packet, as behind a firewall. */
  | "port"
  /** The appliance's cable is pulled: nothing of it answers, not even to ARP. */
  | "cable"
  /** Its machine shuts down and boots. */
  | "machine"

/** One outage; `seconds` is from its beginning until the exports are to be back. */
export interface Outage {
  readonly kind: OutageKind
  readonly seconds: number
}

/** How long a machine takes to boot and to export, here and about. */
export const bootSeconds = 20

const kinds = ["export", "appliance", "port", "cable"] as const
const machines = 3

/**
 * So many outages in random order, the shortest of 1 s and the longest of 60 s. Between them the logarithm of the length is drawn
 * from one of `count` equal parts each, bent a little towards the short ones, which are the most frequent in life too: the sum
 * is nearly the same for every seed, six minutes for thirty. Machines that boot get lengths in which that is possible.
 */
export const planOutages = Effect.fnUntraced(function*(count: number): Effect.fn.Return<ReadonlyArray<Outage>> {
  const lengths = yield* Effect.forEach(
    Array.from({ length: count }, (_, part) => part),
    (part) =>
      Effect.map(Random.next, (within) => {
        const place = part === 0 ? 0 : part === count - 1 ? 1 : (part + within) / count
        return Math.round(10 * 60 ** (place ** 1.5)) / 10
      })
  )
  const long = yield* Random.shuffle(lengths.filter((seconds) => seconds > bootSeconds))
  const booting = new Set(long.slice(0, machines))
  const others = yield* Random.shuffle(lengths.filter((seconds) => !booting.has(seconds)))
  return yield* Random.shuffle<Outage>([
    ...[...booting].map((seconds) => ({ kind: "machine", seconds }) as const),
    ...others.flatMap((seconds, number) =>
      kinds.slice(number % kinds.length, number % kinds.length + 1).map((kind) => ({ kind, seconds }))
    )
  ])
})
