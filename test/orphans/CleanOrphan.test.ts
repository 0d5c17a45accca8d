import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { cleanOrphan } from "../../src/orphans/CleanOrphan.ts"
import { settle } from "../attachment/simulation/Controller.ts"
import { hurried } from "../rds/InProcess.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { idOf, startWorld } from "./World.ts"

const id = idOf(1)

/** A world with an orphan in it, and what is to be cleaned of it. */
const start = Effect.gen(function*() {
  const world = yield* startWorld
  const seen = yield* world.create(id)
  return {
    ...world,
    seen,
    clean: (andRemove = true) => Effect.provide(cleanOrphan(world.judges, seen, { andRemove }), world.services),
    /** Does this when the references are read for the second time: when the export has ended. */
    whenUnexported: (act: Effect.Effect<void>) => {
      let reads = 0
      world.api.before = () => ++reads === 2 ? act : Effect.void
    }
  }
})

const quiet = capturedLogs().run

describe("cleaning an orphan", () => {
  it.effect("ends its export, or removes it as well", () =>
    Effect.gen(function*() {
      const { clean, rds, seen, stateOf } = yield* start
      assert.deepStrictEqual(yield* clean(false), { _tag: "Unexported" })
      assert.strictEqual(yield* stateOf(id), "unexported")
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: "it has changed since it was looked at" })
      yield* rds.switchExport(seen, true)
      assert.deepStrictEqual(yield* clean(), { _tag: "Removed" })
      assert.strictEqual(yield* stateOf(id), "gone")
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: "it is gone already" })
    }).pipe(quiet))

  it.effect("trap: looks again right before: what has come to refer to it, or marked it, saves it", () =>
    Effect.gen(function*() {
      const { api, clean, cluster, comment, seen, stateOf } = yield* start
      yield* comment(id, `${seen.comment} keep`)
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: "it has changed since it was looked at" })
      yield* comment(id, seen.comment)
      cluster.addVolume(id)
      const states = new Set<string>()
      api.before = () => Effect.map(stateOf(id), (state) => void states.add(state))
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: `PersistentVolume ${id} refers to it` })
      assert.deepStrictEqual(
        [...states, yield* stateOf(id)],
        ["exported", "exported"],
        "nor was it switched off and on"
      )
    }).pipe(quiet))

  it.effect("looks once more when nobody can begin to use it, and switches the export on again if it is not an orphan", () =>
    Effect.gen(function*() {
      const { clean, cluster, stateOf, whenUnexported } = yield* start
      whenUnexported(
        Effect.andThen(
          Effect.map(stateOf(id), (state) => assert.strictEqual(state, "unexported")),
          Effect.sync(() => {
            cluster.addVolume(id)
          })
        )
      )
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: `PersistentVolume ${id} refers to it` })
      assert.strictEqual(yield* stateOf(id), "exported")
    }).pipe(quiet))

  it.effect("a mark that is put on it in that moment saves it, too", () =>
    Effect.gen(function*() {
      const { clean, comment, seen, stateOf, volume, whenUnexported } = yield* start
      whenUnexported(Effect.asVoid(comment(id, `${seen.comment} keep`)))
      assert.deepInclude(yield* clean(), { _tag: "Spared", why: "it has changed since it was looked at" })
      assert.strictEqual(yield* stateOf(id), "exported")
      assert.strictEqual((yield* volume(id)).comment, `${seen.comment} keep`)
    }).pipe(quiet))

  it.effect("switches the export on again when that is not known, and when it is interrupted", () =>
    Effect.gen(function*() {
      const { api, clean, stateOf, whenUnexported } = yield* start
      whenUnexported(Effect.sync(() => {
        api.fails = true
      }))
      assert.strictEqual((yield* Effect.flip(clean()))._tag, "ReferencesUnavailable")
      assert.strictEqual(yield* stateOf(id), "exported")

      api.fails = false
      whenUnexported(Effect.never)
      const cleaning = yield* Effect.forkChild(clean())
      yield* settle
      assert.strictEqual(yield* stateOf(id), "unexported")
      yield* Fiber.interrupt(cleaning)
      assert.strictEqual(yield* stateOf(id), "exported")
    }).pipe(quiet))

  it.effect("leaves an export off that it did not end", () =>
    Effect.gen(function*() {
      const { api, judges, rds, seen, services, stateOf, whenUnexported } = yield* start
      const unexported = Option.getOrThrow(yield* rds.switchExport(seen, false))
      whenUnexported(Effect.sync(() => {
        api.fails = true
      }))
      yield* Effect.flip(Effect.provide(cleanOrphan(judges, unexported, { andRemove: true }), services))
      assert.strictEqual(yield* stateOf(id), "unexported")
    }).pipe(quiet))

  it.effect("does nothing while another operation on the volume runs", () =>
    Effect.gen(function*() {
      const { clean, lock, stateOf } = yield* start
      const error = yield* lock.withLock(id)(Effect.flip(clean()))
      assert.strictEqual(error._tag, "VolumeBusy")
      assert.strictEqual(yield* stateOf(id), "exported")
    }).pipe(quiet))

  it.live("cut off at any step, it can be done again, and nothing is left", () =>
    Effect.forEach(
      ["before", 1, 2, 3, "after"] as const,
      (at) =>
        Effect.forEach([0, 1, 2, 3], (command) =>
          Effect.gen(function*() {
            const { breaks, judges, rds, services, stateOf } = yield* start
            breaks.push(
              ...Array.from({ length: command }, () => "none" as const),
              at,
              "before",
              "before",
              "before",
              "before"
            )
            const cleanAgain = Effect.gen(function*() {
              const volume = yield* rds.get(id)
              if (Option.isNone(volume)) return yield* rds.remove(id)
              return yield* cleanOrphan(judges, volume.value, { andRemove: true })
            }).pipe(Effect.provide(services))
            yield* Effect.ignore(cleanAgain)
            breaks.length = 0
            yield* cleanAgain
            assert.strictEqual(yield* stateOf(id), "gone", `command ${command}, ${at}`)
          }).pipe(Effect.scoped))
    ).pipe(hurried, quiet))
})
