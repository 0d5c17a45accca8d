import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Ref, Stream } from "effect"
import { Leadership, whileLeader } from "../../src/attachment/Leadership.ts"
import { settle } from "./simulation/Controller.ts"

describe("work of the leader", () => {
  /** Runs work that counts its starts and ends, and answers both and the way to change who leads. */
  const start = Effect.gen(function*() {
    const leads = yield* Queue.unbounded<boolean>()
    const starts = yield* Ref.make(0)
    const ends = yield* Ref.make(0)
    const bump = (ref: Ref.Ref<number>) => Ref.update(ref, (n) => n + 1)
    const work = Effect.andThen(bump(starts), Effect.never).pipe(Effect.ensuring(bump(ends)))
    yield* Effect.forkScoped(
      Effect.provideService(whileLeader(work), Leadership, { changes: Stream.fromQueue(leads) })
    )
    const counts = Effect.all([Ref.get(starts), Ref.get(ends)])
    return (value: boolean) => Queue.offer(leads, value).pipe(Effect.andThen(settle), Effect.andThen(counts))
  })

  it.effect("runs while this replica leads, and ends as soon as it does not", () =>
    Effect.gen(function*() {
      const lead = yield* start
      assert.deepStrictEqual(yield* lead(false), [0, 0])
      assert.deepStrictEqual(yield* lead(true), [1, 0])
      assert.deepStrictEqual(yield* lead(false), [1, 1])
      assert.deepStrictEqual(yield* lead(true), [2, 1])
    }))

  it.effect("goes on when it hears again that this replica leads", () =>
    Effect.gen(function*() {
      const lead = yield* start
      yield* lead(true)
      assert.deepStrictEqual(yield* lead(true), [1, 0])
    }))

  it.effect("always runs in the only replica", () =>
    Effect.gen(function*() {
      const runs = yield* Ref.make(0)
      yield* Effect.forkScoped(whileLeader(Effect.andThen(Ref.set(runs, 1), Effect.never)))
      yield* settle
      assert.strictEqual(yield* Ref.get(runs), 1)
    }).pipe(Effect.provide(Layer.fresh(Leadership.layerAlways))))

  it.effect("fails when it fails", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(whileLeader(Effect.fail("broken"))), "broken")
    }).pipe(Effect.provide(Leadership.layerAlways)))
})
