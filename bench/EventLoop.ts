import { Effect, Schedule } from "effect"
import type { DriverProcess } from "../test/support/DriverProcess.ts"

/** Environment of a driver process whose {@link longestPause} can be asked for. */
export const watched = { NODE_OPTIONS: `--import=${new URL("EventLoopPreload.ts", import.meta.url).href}` }

/** The longest time for which the process's event loop did not come around since this was last asked, in milliseconds. */
export const longestPause = Effect.fnUntraced(function*({ errors, pid }: DriverProcess) {
  const told = Effect.map(errors, (text) => [...text.matchAll(/^longest pause: (.+) ms$/gm)])
  const before = (yield* told).length
  yield* Effect.sync(() => process.kill(pid, "SIGUSR2"))
  const [, millis] = yield* told.pipe(
    Effect.map((all) => all[before]),
    Effect.filterOrFail((found) => found !== undefined),
    Effect.retry(Schedule.spaced("10 millis"))
  )
  return Number(millis)
})
