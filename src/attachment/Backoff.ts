import { Schedule } from "effect"

/** For what must be tried until it succeeds: after about 250 ms, doubled up to 10 s. */
export const backoff = Schedule.min([
  Schedule.exponential("250 millis").pipe(Schedule.jittered),
  Schedule.spaced("10 seconds")
])
