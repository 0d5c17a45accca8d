import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Result, Schema } from "effect"
import { VolumeLock } from "../../src/volume/VolumeLock.ts"
import { shuffled } from "../support/ShuffleScheduler.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))

/** Counts who is inside a section that gives every other fiber the chance to come in too. */
const makeSection = () => {
  const state = { inside: 0, most: 0, runs: 0 }
  const enter = Effect.sync(() => {
    state.inside++
    state.most = Math.max(state.most, state.inside)
  })
  const work = Effect.gen(function*() {
    const runs = state.runs
    yield* Effect.yieldNow
    state.runs = runs + 1
  })
  const section = Effect.acquireUseRelease(enter, () => work, () => Effect.sync(() => state.inside--))
  return { state, section }
}

/** Holds the key until `release`; resolves once it is held. */
const hold = Effect.fnUntraced(function*(key: string) {
  const lock = yield* VolumeLock
  const held = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    lock.withLock(key)(Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(release)))
  )
  yield* Deferred.await(held)
  return { fiber, release: Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(fiber)) }
})

layer(VolumeLock.layer)("VolumeLock", (it) => {
  it.effect("withLock waits, first come first served", () =>
    Effect.gen(function*() {
      const lock = yield* VolumeLock
      const holder = yield* hold("a")
      const order: Array<number> = []
      const waiters = yield* Effect.forEach([1, 2, 3, 4], (n) =>
        Effect.forkChild(lock.withLock("a")(Effect.sync(() => order.push(n)))))
      yield* Effect.yieldNow
      assert.deepStrictEqual(order, [])
      yield* holder.release
      yield* Fiber.joinAll(waiters)
      assert.deepStrictEqual(order, [1, 2, 3, 4])
    }))

  it.effect("tryLock fails at once with VolumeBusy, naming the key, and runs nothing", () =>
    Effect.gen(function*() {
      const lock = yield* VolumeLock
      const holder = yield* hold("pvc-1")
      const busy = yield* Effect.flip(lock.tryLock("pvc-1")(Effect.die("ran")))
      assert.strictEqual(busy._tag, "VolumeBusy")
      assert.strictEqual(busy.key, "pvc-1")
      assert.include(busy.message, "pvc-1")
      yield* holder.release
      assert.strictEqual(yield* lock.tryLock("pvc-1")(Effect.succeed(42)), 42)
    }))

  it.effect("different keys do not wait for each other", () =>
    Effect.gen(function*() {
      const lock = yield* VolumeLock
      const holder = yield* hold("a")
      assert.strictEqual(yield* lock.withLock("b")(lock.tryLock("c")(Effect.succeed("ran"))), "ran")
      yield* holder.release
    }))

  it.effect("is free again after a failure and after an interruption of the holder", () =>
    Effect.gen(function*() {
      const lock = yield* VolumeLock
      assert.strictEqual(yield* Effect.flip(lock.tryLock("a")(Effect.fail("boom" as const))), "boom")
      const holder = yield* hold("a")
      yield* Fiber.interrupt(holder.fiber)
      assert.strictEqual(yield* lock.tryLock("a")(Effect.succeed(1)), 1)
    }))

  it.effect("an interrupted waiter never runs and holds nobody up", () =>
    Effect.gen(function*() {
      const lock = yield* VolumeLock
      const holder = yield* hold("a")
      const waiter = yield* Effect.forkChild(lock.withLock("a")(Effect.die("ran")))
      const next = yield* Effect.forkChild(lock.withLock("a")(Effect.succeed("next")))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiter)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waiter)))
      yield* holder.release
      assert.strictEqual(yield* Fiber.join(next), "next")
    }))
})

describe("VolumeLock under random interleavings", () => {
  it.effect.prop(
    "two stages of one volume at once: never two inside, and no waiter is lost",
    [seed],
    ([seed]) =>
      Effect.gen(function*() {
        const lock = yield* VolumeLock
        const sections = { a: makeSection(), b: makeSection() }
        const keys = ["a", "b", "a", "a", "b", "a", "b", "a"] as const
        yield* Effect.forEach(keys, (key) => lock.withLock(key)(sections[key].section), { concurrency: "unbounded" })
        assert.deepStrictEqual([sections.a.state.most, sections.a.state.runs], [1, 5])
        assert.deepStrictEqual([sections.b.state.most, sections.b.state.runs], [1, 3])
      }).pipe(Effect.provide(VolumeLock.layer), shuffled(seed)),
    { arbitrary: { runs: 200 } }
  )

  it.effect.prop(
    "check, then track, with an await between: of callers that cannot wait, only those inside run",
    [seed],
    ([seed]) =>
      Effect.gen(function*() {
        const lock = yield* VolumeLock
        const { section, state } = makeSection()
        const results = yield* Effect.all(
          Array.from({ length: 6 }, (_, n) =>
            n % 3 === 0 ? Effect.result(lock.withLock("a")(section)) : Effect.result(lock.tryLock("a")(section))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(state.most, 1)
        assert.strictEqual(state.runs, results.filter(Result.isSuccess).length)
        assert.isAtLeast(state.runs, 2)
      }).pipe(Effect.provide(VolumeLock.layer), shuffled(seed)),
    { arbitrary: { runs: 200 } }
  )

  it.effect.prop(
    "interrupted holders and waiters leave the lock free",
    [seed],
    ([seed]) =>
      Effect.gen(function*() {
        const lock = yield* VolumeLock
        const { section, state } = makeSection()
        const fibers = yield* Effect.forEach(Array.from({ length: 6 }), () =>
          Effect.forkChild(lock.withLock("a")(section)))
        yield* Effect.yieldNow
        yield* Effect.forEach(fibers, (fiber, n) =>
          n % 2 === 0 ? Fiber.interrupt(fiber) : Fiber.await(fiber), {
          concurrency: "unbounded"
        })
        assert.strictEqual(state.most, 1)
        assert.strictEqual(yield* lock.tryLock("a")(Effect.succeed("free")), "free")
      }).pipe(Effect.provide(VolumeLock.layer), shuffled(seed)),
    { arbitrary: { runs: 200 } }
  )
})
