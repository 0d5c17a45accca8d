import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Metric, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import * as Metrics from "../../src/observability/Metrics.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { settle } from "../attachment/simulation/Controller.ts"
import { growthOf } from "../attachment/simulation/Fixtures.ts"
import { GiB } from "../rds/Harness.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { idOf, startWorld, times } from "./World.ts"

type World = Effect.Success<typeof startWorld>

const quiet = capturedLogs().run

/** Lets time pass for so many passes. */
const passes = (count: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(times.interval), settle), { times: count - 1 })

/** Time for a few more attempts at a pass that failed. */
const fewMinutes = Effect.andThen(TestClock.adjust("5 minutes"), settle)

/** More passes than any orphan outlives. */
const longEnough = passes(10)

/** Volumes that the cluster refers to, so that the orphans are not too many. */
const addReferenced = Effect.fnUntraced(function*({ cluster, create }: World, count: number, from: number = 100) {
  for (let n = from; n < from + count; n++) {
    yield* create(idOf(n))
    cluster.addVolume(idOf(n))
  }
})

const passesCounted = (result: string) => Metric.withAttributes(Metrics.orphanPassesTotal, { result })
const volumesShown = (state: string) => Metric.value(Metric.withAttributes(Metrics.orphanVolumes, { state }))

describe("the orphan reconciler", () => {
  it.effect("ends the export of an orphan after the grace period, and removes it after another", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, notices, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* create(idOf(1))
      yield* start()
      yield* settle
      yield* passes(2)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
      yield* passes(1)
      assert.strictEqual(yield* stateOf(idOf(1)), "unexported")
      yield* passes(3)
      assert.strictEqual(yield* stateOf(idOf(1)), "unexported")
      yield* passes(1)
      assert.strictEqual(yield* stateOf(idOf(1)), "gone")
      assert.strictEqual(yield* stateOf(idOf(100)), "exported")
      assert.deepStrictEqual(notices.map(({ reason, type }) => [reason, type]), [
        ["OrphanUnexported", "Warning"],
        ["OrphanCleaned", "Normal"]
      ])
      for (const { message } of notices) assert.include(message, idOf(1))
    }).pipe(quiet))

  it.effect("trap: changes nothing in a dry run, and tells what it would do", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, notices, setExport, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* create(idOf(1))
      yield* create(idOf(2))
      yield* setExport(idOf(2), false)
      yield* start({ dryRun: true })
      yield* settle
      yield* longEnough
      assert.deepStrictEqual([yield* stateOf(idOf(1)), yield* stateOf(idOf(2))], ["exported", "unexported"])
      assert.deepStrictEqual([...new Set(notices.map(({ reason }) => reason))], ["OrphanDetected"])
      const [ends, removes] = notices
      assert.include(ends?.message, `the export of these volumes would end, as nothing refers to them: ${idOf(1)}`)
      assert.include(removes?.message, `these volumes would be removed, as nothing refers to them: ${idOf(2)}`)
      for (const [state, count] of [["orphan", 1], ["orphan_unexported", 1], ["referenced", 1], ["kept", 0]] as const) {
        assert.strictEqual((yield* volumesShown(state)).value, count, state)
      }
    }).pipe(quiet))

  it.effect("trap: judged volumes orphans that were not: what anything refers to, marked, foreign or untagged stays", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { attachments, cluster, comment, create, createByGo, start, stateOf, type } = world
      yield* addReferenced(world, 20)
      const [retained, elsewhere, lost, attached] = [idOf(1), idOf(2), idOf(3), idOf(4)]
      const [held, kept, copying, foreign, go, orphan] = [idOf(5), idOf(6), idOf(7), idOf(8), idOf(9), idOf(10)]
      for (const id of [retained, elsewhere, lost, attached, held, kept, copying, foreign, orphan]) yield* create(id)
      cluster.addVolume(retained, { name: "released", claim: "" })
      cluster.addVolume("some-other-handle", {
        name: "by-path",
        driver: "other.example",
        attributes: { volumePath: `storage-pool/metal-csi/${elsewhere}.img` }
      })
      const waiting = VolumeId.fromName(`pvc-${cluster.addClaim("waiting")}`)
      yield* create(waiting)
      cluster.addClaim("lost", { volumeName: lost })
      cluster.addVolume(attached, { name: "gone" })
      cluster.attach(attached, "node-a", { volume: "gone" })
      cluster.removeVolume("gone")
      attachments.holders.set(held, ["node-a"])
      yield* comment(kept, `rds-csi cluster=prod volume=${kept} keep`)
      yield* comment(copying, `rds-csi cluster=prod volume=${copying} copying=snap-1`)
      yield* comment(foreign, `rds-csi cluster=staging volume=${foreign}`)
      yield* createByGo(go)
      yield* type("/disk add type=file slot=snap-1 file-path=/storage-pool/metal-csi/snap-1.img file-size=1G")
      yield* start()
      yield* settle
      yield* longEnough
      for (const id of [retained, elsewhere, waiting, lost, attached, held, kept, copying, foreign, go]) {
        assert.strictEqual(yield* stateOf(id), "exported", id)
      }
      assert.include((yield* world.device.state).disks.map(({ slot }) => slot), "snap-1")
      assert.strictEqual(yield* stateOf(orphan), "gone")
    }).pipe(quiet))

  it.effect("trap: raced with provisioning: the age counts from the first sighting, and anew after each restart and term", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, leads, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* TestClock.adjust(Duration.days(30))
      yield* create(idOf(1))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* start()
        yield* settle
        yield* passes(2)
      }))
      yield* start()
      yield* settle
      yield* passes(2)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
      for (const leading of [false, true]) {
        yield* SubscriptionRef.set(leads, leading)
        yield* settle
      }
      yield* passes(2)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
      yield* passes(1)
      assert.strictEqual(yield* stateOf(idOf(1)), "unexported")
    }).pipe(quiet))

  it.effect("does nothing, and shows nothing, while another replica leads", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, leads, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* create(idOf(1))
      yield* start()
      yield* settle
      assert.strictEqual((yield* volumesShown("orphan")).value, 1)
      yield* SubscriptionRef.set(leads, false)
      yield* settle
      yield* longEnough
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
      assert.strictEqual((yield* volumesShown("orphan")).value, 0)
    }).pipe(quiet))

  it.effect("begins to count anew when the volume changes, as when it grew or its export was switched on again", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, rds, setExport, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* create(idOf(1))
      yield* start()
      yield* settle
      yield* passes(2)
      yield* rds.grow(idOf(1), 2n * GiB)
      yield* passes(3)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
      yield* passes(1)
      assert.strictEqual(yield* stateOf(idOf(1)), "unexported")
      yield* passes(2)
      yield* setExport(idOf(1), true)
      yield* passes(3)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported")
    }).pipe(quiet))

  it.effect("trap: an API server or an appliance that does not answer is no proof: nothing is cleaned until both do", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { api, attachments, breaks, create, start, stateOf } = world
      yield* addReferenced(world, 1)
      yield* create(idOf(1))
      attachments.ready = false
      yield* start()
      yield* settle
      yield* longEnough
      assert.strictEqual(yield* stateOf(idOf(1)), "exported", "not known yet who holds what")
      attachments.ready = true
      yield* passes(3)
      api.fails = true
      assert.isAbove(yield* growthOf(passesCounted("failed"), fewMinutes), 0)
      assert.strictEqual(yield* stateOf(idOf(1)), "exported", "no API server")
      breaks.push(...Array.from({ length: 200 }, () => "before" as const))
      api.fails = false
      assert.isAbove(yield* growthOf(passesCounted("failed"), fewMinutes), 0)
      assert.isAbove(breaks.length, 0)
      breaks.length = 0
      assert.strictEqual(yield* stateOf(idOf(1)), "exported", "no appliance")
      yield* passes(1)
      assert.strictEqual(yield* stateOf(idOf(1)), "unexported")
      yield* longEnough
      assert.strictEqual(yield* stateOf(idOf(1)), "gone")
    }).pipe(quiet))

  it.effect("trap: would have removed everything: holds back when nothing is referred to, or too many are orphans", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, notices, start, stateOf } = world
      yield* create(idOf(1))
      yield* start()
      yield* settle
      assert.isAbove(yield* growthOf(passesCounted("held"), longEnough), 0)
      assert.include(notices[0]?.message, "refers to none of the volumes on the appliance")
      assert.deepInclude(notices[0], { type: "Warning", reason: "OrphanCleanupHeld" })
      yield* addReferenced(world, 5)
      yield* create(idOf(2))
      yield* create(idOf(3))
      yield* longEnough
      assert.include(notices.at(-1)?.message, "3 of 8 volumes are orphans")
      assert.include(notices.at(-1)?.message, idOf(3))
      for (const n of [1, 2, 3]) assert.strictEqual(yield* stateOf(idOf(n)), "exported")
      yield* addReferenced(world, 4, 200)
      yield* longEnough
      for (const n of [1, 2, 3]) assert.strictEqual(yield* stateOf(idOf(n)), "gone")
    }).pipe(quiet))

  it.effect("cleans a few in each pass, and one that it cannot clean does not keep the others waiting", () =>
    Effect.gen(function*() {
      const world = yield* startWorld
      const { create, lock, start, stateOf } = world
      const orphans = [1, 2, 3, 4, 5, 6, 7, 8].map(idOf)
      yield* addReferenced(world, 24)
      yield* Effect.forEach(orphans, create)
      const states = Effect.map(Effect.forEach(orphans, stateOf), (all) => all.join(" "))
      yield* start()
      yield* settle
      yield* lock.withLock(idOf(1))(passes(3))
      assert.strictEqual(
        yield* states,
        "exported unexported unexported unexported unexported unexported exported exported"
      )
      yield* passes(1)
      assert.notInclude(yield* states, " exported")
      yield* longEnough
      assert.deepStrictEqual(new Set((yield* states).split(" ")), new Set(["gone"]))
    }).pipe(quiet))
})
