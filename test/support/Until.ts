import { Effect, Schedule } from "effect"

/** Waits for a condition that other fibers or processes bring about; a test that waits for ten seconds has failed. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, never, R> =>
  condition.pipe(
    Effect.flatMap((holds) => holds ? Effect.void : Effect.fail("not yet")),
    Effect.retry({ schedule: Schedule.spaced("2 millis") }),
    Effect.timeout("10 seconds"),
    Effect.orDie
  )
