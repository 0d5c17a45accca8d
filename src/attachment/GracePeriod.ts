import { Order } from "effect"

/** Since when something has been amiss, in nanoseconds of the monotonic clock, and in which version of what it was seen. */
interface Amiss {
  readonly since: bigint
  readonly version: string | undefined
}

/** What was amiss at an earlier look, by name. */
export type Earlier = ReadonlyMap<string, Amiss>

/** One look at what is amiss. */
export interface Look {
  /**
   * Notes that something is amiss, as it was found to be by the time `seenBy`, and answers whether it has been for the grace
   * period: all the time, and in this version if there are any.
   */
  isOver(name: string, seenBy: bigint, version?: string): boolean
  /** Whether it was amiss at the look before already. */
  isKnown(name: string): boolean
  /** All that was noted: what the next look is compared with. */
  readonly noted: Earlier
}

/**
 * A look that began at `begun`; times are in nanoseconds of the monotonic clock. A look takes time, in which things may go
 * amiss: they count from when they were found, and until the look began. What is not noted this time starts afresh the next
 * time, and so does what changed its version: somebody dealt with it in between.
 */
export const lookAgain = (earlier: Earlier, begun: bigint, gracePeriod: bigint): Look => {
  const noted = new Map<string, Amiss>()
  return {
    isOver: (name, seenBy, version) => {
      const before = earlier.get(name)
      const since = before !== undefined && before.version === version ? before.since : seenBy
      noted.set(name, { since, version })
      return begun - since >= gracePeriod
    },
    isKnown: (name) => earlier.has(name),
    noted
  }
}

/** When the first grace period ends of those that had not ended when the look began. */
export const nextEnd = (noted: Earlier, begun: bigint, gracePeriod: bigint): bigint | undefined =>
  [...noted.values()].map(({ since }) => since + gracePeriod).filter((end) => end > begun).toSorted(Order.BigInt)[0]
