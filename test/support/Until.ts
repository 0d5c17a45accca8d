import { Effect, Schedule } from "effect"

/** Often at first, and then less: what waits long must not take the processor from what it waits for. */
const pauses = Schedule.min([Schedule.exponential("2 millis", 1.3), Schedule.spaced("30 millis")])

/** Waits for a condition that other fibers or processes bring about; a test that waits for thirty seconds has failed. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, never, R> =>
  condition.pipe(
    Effect.flatMap((holds) => holds ? Effect.void : Effect.fail("not yet")),
    Effect.retry({ schedule: pauses }),
    Effect.timeout("30 seconds"),
    Effect.orDie
  )
