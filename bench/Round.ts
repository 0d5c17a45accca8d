import { Effect } from "effect"
import { measure, type Timings } from "./Load.ts"
import type { Load } from "./Plan.ts"

/** What an RPC is compared with: `ssh`, one bare command to the appliance; `grpc`, one bare gRPC echo. */
export type Floor = "ssh" | "grpc"

/** One kind of call, the n-th of which works on the n-th volume. */
export interface Step<E> {
  readonly name: string
  readonly floor: Floor
  /** Whether this is the floor itself. */
  readonly bare: boolean
  readonly call: (n: number) => Effect.Effect<unknown, E>
}

/** What a step cost under a load. */
export interface Row extends Timings {
  readonly name: string
  readonly floor: Floor
  readonly bare: boolean
  readonly latencyMillis: number
  readonly inFlight: number
  /** Its p50 in units of the floor's p50 under the same load. */
  readonly ratio: number
  /** SSH commands that the appliance saw meanwhile. */
  readonly execs: number
}

/** What the steps of a round share. */
export interface Circumstances<E> {
  readonly latencyMillis: number
  /** SSH commands that the appliance saw since this was last asked. */
  readonly execs: Effect.Effect<number, E>
}

/** Takes all volumes through each step before the next; every floor comes before what is compared with it. */
export const runRound = Effect.fnUntraced(function*<E1, E2>(
  steps: ReadonlyArray<Step<E1>>,
  load: Load,
  { execs, latencyMillis }: Circumstances<E2>
) {
  const floors = new Map<Floor, number>()
  const rows: Array<Row> = []
  yield* execs
  for (const { bare, call, floor, name } of steps) {
    const timings = yield* measure(load, call)
    if (bare) floors.set(floor, timings.p50)
    rows.push({
      name,
      floor,
      bare,
      latencyMillis,
      inFlight: load.inFlight,
      ...timings,
      ratio: timings.p50 / (floors.get(floor) ?? Number.NaN),
      execs: yield* execs
    })
  }
  return rows
})
