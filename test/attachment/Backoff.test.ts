import { assert, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { TestClock } from "effect/testing"
import { backoff } from "../../src/attachment/Backoff.ts"

/** When something that always fails is tried, in milliseconds since the first time; `random` is what the dice say. */
const triesWith = (random: number) =>
  Effect.gen(function*() {
    const tries: Array<number> = []
    const failing = Effect.andThen(
      Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (now) => tries.push(now))),
      Effect.fail("broken")
    )
    yield* Effect.forkChild(Effect.retry(failing, backoff))
    yield* TestClock.adjust("59 seconds")
    return tries.map((at) => at - (tries[0] ?? 0))
  }).pipe(Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => random }))

it.effect("tries again after a quarter of a second, then after twice that, and so on up to ten seconds", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* triesWith(0.5), [
      0,
      250,
      750,
      1_750,
      3_750,
      7_750,
      15_750,
      25_750,
      35_750,
      45_750,
      55_750
    ])
  }))

it.effect("is a fifth earlier or later, so that replicas do not keep in step", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual((yield* triesWith(0)).slice(0, 3), [0, 200, 600])
    assert.deepStrictEqual((yield* triesWith(1)).slice(0, 3), [0, 300, 900])
  }))
