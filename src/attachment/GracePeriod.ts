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
   * Notes that something is amiss, and answers whether it has been for the grace period: all the time, and in this version if
   * there are any.
   */
  isOver(name: string, version?: string): boolean
  /** Whether it was amiss at the look before already. */
  isKnown(name: string): boolean
  /** All that was noted: what the next look is compared with. */
  readonly noted: Earlier
}

/**
 * Begins a look at `now`; times are in nanoseconds of the monotonic clock. What is not noted this time starts afresh the next
 * time, and so does what changed its version: somebody dealt with it in between.
 */
export const lookAgain = (earlier: Earlier, now: bigint, gracePeriod: bigint): Look => {
  const noted = new Map<string, Amiss>()
  return {
    isOver: (name, version) => {
      const before = earlier.get(name)
      const since = before !== undefined && before.version === version ? before.since : now
      noted.set(name, { since, version })
      return now - since >= gracePeriod
    },
    isKnown: (name) => earlier.has(name),
    noted
  }
}

/** When the first grace period ends of those that had not ended at the look at `now`. */
export const nextEnd = (noted: Earlier, now: bigint, gracePeriod: bigint): bigint | undefined =>
  [...noted.values()].map(({ since }) => since + gracePeriod).filter((end) => end > now).toSorted(Order.BigInt)[0]
