import { Clock, Effect } from "effect"
import type { Load } from "./Plan.ts"

/** How long calls took, in milliseconds. */
export interface Timings {
  readonly calls: number
  readonly p50: number
  /** With fewer than 100 calls the slowest. */
  readonly p99: number
  readonly slowest: number
  /** From the first call to the last answer. */
  readonly wall: number
}

/** Makes the calls, numbered from 0, with the next one sent as soon as one is answered. A call that fails ends the run. */
export const measure = Effect.fnUntraced(function*<E, R>(
  { calls, inFlight }: Load,
  call: (n: number) => Effect.Effect<unknown, E, R>
) {
  const numbers = Array.from({ length: calls }, (_, n) => n)
  const [wall, each] = yield* timed(Effect.forEach(numbers, (n) => timed(call(n)), { concurrency: inFlight }))
  const millis = each.map(([took]) => took).sort((a, b) => a - b)
  return {
    calls,
    p50: percentile(millis, 0.5),
    p99: percentile(millis, 0.99),
    slowest: percentile(millis, 1),
    wall
  } satisfies Timings
})

/** How long it took in milliseconds, and what it answered. */
export const timed = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const start = yield* Clock.currentTimeNanos
  const answer = yield* effect
  return [Number((yield* Clock.currentTimeNanos) - start) / 1e6, answer] as const
})

/** As {@link percentile} says it, of values in any order. */
export const median = (values: ReadonlyArray<number>): number => percentile([...values].sort((a, b) => a - b), 0.5)

/** The smallest of the sorted values that so large a part of them does not exceed. */
export const percentile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
