import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AttachmentEvents } from "../../src/attachment/AttachmentEvents.ts"
import { emptyState } from "../../src/attachment/AttachmentState.ts"
import { AttachmentStore, type Change } from "../../src/attachment/AttachmentStore.ts"
import { Fencing } from "../../src/attachment/Fencing.ts"
import { HostAccess } from "../../src/attachment/HostAccess.ts"
import { Leadership } from "../../src/attachment/Leadership.ts"
import { memoryAttachmentStore } from "../../src/attachment/MemoryAttachmentStore.ts"
import { Reconciler } from "../../src/attachment/Reconciler.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { VolumeLock } from "../../src/volume/VolumeLock.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { defaults, settle } from "./simulation/Controller.ts"
import { shared, volumeId } from "./simulation/Fixtures.ts"

const controller = Fencing.layer.pipe(
  Layer.provideMerge(Reconciler.layer(defaults)),
  Layer.provideMerge(memoryAttachmentStore),
  Layer.provide([VolumeLock.layer, AttachmentEvents.layerNone, HostAccess.layerOpen, Leadership.layerAlways])
)

describe("attachments in memory", () => {
  it.effect("fence like any others, and time leaves them as they are", () =>
    Effect.gen(function*() {
      const fencing = yield* Fencing
      yield* settle
      yield* fencing.publish(shared("a"))
      yield* fencing.publish(shared("b"))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a", "b"])
      assert.include((yield* Effect.flip(fencing.publish(shared("c")))).message, "did not end in time")
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, ["b"]]]))
      yield* fencing.unpublish(volumeId, Option.none())
      assert.deepStrictEqual(yield* fencing.holders(volumeId), [])
    }).pipe(Effect.provide(controller)))

  it.effect("say in the log that the fence does not survive a restart", () =>
    Effect.gen(function*() {
      const { lines, run } = capturedLogs()
      yield* Effect.void.pipe(Effect.provide(Layer.fresh(memoryAttachmentStore)), run)
      assert.deepStrictEqual(lines.map(({ level }) => level), ["Warn"])
      assert.include(lines[0]?.message, "attachments are kept in memory: they are forgotten when this process ends")
    }))

  it.effect("are written by whoever read them last, and each write is heard of", () =>
    Effect.gen(function*() {
      const store = yield* AttachmentStore
      const heard = yield* Queue.unbounded<Change>()
      yield* Effect.forkScoped(Stream.runForEach(store.changes, (change) => Queue.offer(heard, change)))
      yield* settle
      const { version } = Option.getOrThrow(yield* store.read(volumeId))
      const written = yield* store.write(volumeId, version, { ...emptyState, revision: 1 })
      assert.notStrictEqual(written, version)
      const conflict = yield* Effect.flip(store.write(volumeId, version, { ...emptyState, revision: 1 }))
      assert.strictEqual(conflict._tag, "StoreConflict")
      yield* store.write(volumeId, written, { ...emptyState, revision: 2 })
      yield* settle
      assert.deepStrictEqual(yield* Queue.takeAll(heard), [
        { _tag: "Record", volumeId },
        { _tag: "Record", volumeId }
      ])
    }).pipe(Effect.provide(Layer.fresh(memoryAttachmentStore))))

  it.effect("are what the orchestrator is taken to know, and so is every node", () =>
    Effect.gen(function*() {
      const store = yield* AttachmentStore
      const { version } = Option.getOrThrow(yield* store.peek(volumeId))
      const holder = {
        nodeId: "a",
        accessMode: "SINGLE_NODE_WRITER",
        readonly: true,
        since: 7,
        adopted: false
      } as const
      const state = { ...emptyState, revision: 1, holders: [holder], migrationTimeoutSeconds: 40 }
      const written = yield* store.write(volumeId, version, state)
      const attachment = {
        volumeId,
        nodeId: "a",
        attached: true,
        deleting: false,
        createdAt: 7,
        accessMode: "SINGLE_NODE_WRITER",
        readonly: true,
        migrationTimeoutSeconds: 40
      } as const
      assert.deepStrictEqual(yield* store.attachments, [attachment])
      assert.deepStrictEqual(yield* store.attachmentsOf(volumeId), [attachment])
      assert.deepStrictEqual(yield* store.attachmentsOf(VolumeId.fromName("other")), [])
      assert.deepStrictEqual(yield* store.list, [{ volumeId, record: { _tag: "Recorded", version: written, state } }])
      assert.isTrue(yield* store.nodeExists("anything"))
    }).pipe(Effect.provide(Layer.fresh(memoryAttachmentStore))))
})
