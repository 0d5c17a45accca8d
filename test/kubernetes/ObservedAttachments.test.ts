import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { startReplica } from "../support/kubernetes/Replica.ts"
import { stateOf } from "../support/kubernetes/States.ts"
import { until } from "../support/Until.ts"

const v1 = VolumeId.fromName("v1")
const v2 = VolumeId.fromName("v2")

const start = Effect.gen(function*() {
  const cluster = yield* startCluster()
  return { ...cluster, ...yield* startReplica(cluster.api) }
})

describe("KubernetesAttachmentStore: VolumeAttachments", () => {
  it.live("all of this driver, as they are now, even when the watch is behind", () =>
    Effect.gen(function*() {
      const { addNode, addVolume, attach, attached, detach, store, synced, watchers } = yield* start
      addNode("n1", { nodeId: "id-1" })
      addNode("n2")
      addVolume(v1, { accessModes: ["ReadWriteMany"], attributes: { migrationTimeoutSeconds: "60" } })
      addVolume("other", { driver: "other.example" })
      yield* synced
      watchers.holdBack(true)
      attached(attach(v1, "n1"), "id-1")
      detach(attach(v1, "n2"))
      attach("other", "n1", { attacher: "other.example" })
      const common = {
        volumeId: v1,
        accessMode: "MULTI_NODE_MULTI_WRITER",
        readonly: false,
        migrationTimeoutSeconds: 60
      }
      const found = (yield* store.attachments).map(({ createdAt: _, ...attachment }) => attachment)
      assert.sameDeepMembers<unknown>(found, [
        { ...common, nodeId: "id-1", attached: true, deleting: false },
        { ...common, nodeId: "n2", attached: false, deleting: true }
      ])
      assert.deepStrictEqual(yield* store.attachmentsOf(v1), [])
      watchers.holdBack(false)
      yield* until(Effect.map(store.attachmentsOf(v1), (all) => all.length === 2))
      assert.sameDeepMembers([...yield* store.attachmentsOf(v1)], [...yield* store.attachments])
    }))

  it.live("before external-attacher names a node id, the one that the driver registered there", () =>
    Effect.gen(function*() {
      const { addNode, addVolume, attach, store, synced } = yield* start
      addNode("n1", { nodeId: "id-1" })
      addNode("n2", { nodeId: null })
      addVolume(v1)
      yield* synced
      attach(v1, "n1")
      attach(v1, "n2")
      assert.sameMembers((yield* store.attachments).map(({ nodeId }) => nodeId), ["id-1", "n2"])
    }))

  const modes = [
    [["ReadWriteOnce"], "SINGLE_NODE_MULTI_WRITER"],
    [["ReadWriteOncePod"], "SINGLE_NODE_SINGLE_WRITER"],
    [["ReadWriteOnce", "ReadWriteMany"], "MULTI_NODE_MULTI_WRITER"]
  ] as const
  for (const [accessModes, expected] of modes) {
    it.live(`${accessModes.join(", ")} is published as ${expected}`, () =>
      Effect.gen(function*() {
        const { addVolume, attach, store } = yield* start
        addVolume(v1, { accessModes })
        attach(v1, "n1")
        assert.deepStrictEqual((yield* store.attachments).map(({ accessMode }) => accessMode), [expected])
      }))
  }

  it.live("three VolumeAttachments of one volume are three (trap: the first two were kept)", () =>
    Effect.gen(function*() {
      const { addVolume, attach, attached, store } = yield* start
      addVolume(v1)
      for (const node of ["n1", "n2", "n3"]) attached(attach(v1, node), node)
      assert.sameMembers((yield* store.attachments).map(({ nodeId }) => nodeId), ["n1", "n2", "n3"])
    }))

  it.live("one whose PersistentVolume is gone counts for another of the same handle, and for nothing otherwise", () =>
    Effect.gen(function*() {
      const { addVolume, attach, attached, removeVolume, store, synced, view } = yield* start
      addVolume(v1, { name: "first" })
      addVolume(v2, { name: "second" })
      attached(attach(v1, "n1", { volume: "first" }), "n1")
      attached(attach(v2, "n2", { volume: "second" }), "n2")
      removeVolume("first")
      removeVolume("second")
      addVolume(v1, { name: "again" })
      yield* synced
      yield* until(Effect.sync(() => view.volumes.objects.get("again") !== undefined))
      assert.deepStrictEqual((yield* store.attachments).map(({ nodeId, volumeId }) => [volumeId, nodeId]), [[v1, "n1"]])
      assert.deepStrictEqual((yield* store.attachmentsOf(v1)).map(({ nodeId }) => nodeId), ["n1"])
    }))

  it.live("API trouble is an error, never an empty list", () =>
    Effect.gen(function*() {
      const { addVolume, faults, store, synced } = yield* start
      addVolume(v1)
      yield* synced
      faults.add({
        fault: { _tag: "Error", code: 403 },
        match: ({ plural, verb }) => verb === "list" && plural === "volumeattachments"
      })
      assert.strictEqual((yield* Effect.flip(store.attachments))._tag, "StoreUnavailable")
    }))
})

describe("KubernetesAttachmentStore: nodes and changes", () => {
  it.live("a node is there as long as its Node object is, whatever its CSINode says", () =>
    Effect.gen(function*() {
      const { addNode, faults, register, removeNode, store, synced, view } = yield* start
      addNode("n1", { nodeId: "id-1" })
      yield* synced
      yield* until(Effect.sync(() => view.csiNodes.objects.having("id-1").length === 1))
      assert.isTrue(yield* store.nodeExists("id-1"))
      register("n1", null)
      yield* until(Effect.sync(() => view.csiNodes.objects.having("id-1").length === 0))
      assert.isTrue(yield* store.nodeExists("id-1"))
      removeNode("n1")
      assert.isFalse(yield* store.nodeExists("id-1"))
      faults.add({ fault: { _tag: "Error", code: 500 }, match: ({ verb }) => verb === "get" })
      assert.strictEqual((yield* Effect.flip(store.nodeExists("id-1")))._tag, "StoreUnavailable")
    }))

  it.live("tells of written records, nodes that go or stop answering, and gaps", () =>
    Effect.gen(function*() {
      const cluster = yield* start
      const { addNode, addVolume, annotate, partition, removeNode, setReady, store } = cluster
      addNode("n1", { nodeId: "id-1" })
      addNode("n2")
      addVolume(v1)
      yield* cluster.synced
      yield* until(Effect.sync(() => cluster.watchers.count() === 4))
      const told = yield* store.changes.pipe(
        Stream.map((change) => JSON.stringify(change)),
        Stream.takeUntil((text) => text === JSON.stringify({ _tag: "Relisted" })),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      annotate(v1, { something: "else" })
      const { version } = yield* Effect.flatMap(store.read(v1), Effect.fromOption)
      yield* store.write(v1, version, stateOf(1, "n2"))
      setReady("n1", false)
      setReady("n1", true)
      removeNode("n2")
      yield* until(Effect.sync(() => cluster.view.nodes.objects.get("n2") === undefined))
      partition(true)
      addVolume(v2)
      cluster.objects.compact()
      partition(false)
      assert.sameMembers([...yield* Fiber.join(told)], [
        JSON.stringify({ _tag: "Record", volumeId: v1 }),
        JSON.stringify({ _tag: "Node", nodeId: "id-1" }),
        JSON.stringify({ _tag: "Node", nodeId: "n2" }),
        JSON.stringify({ _tag: "Relisted" })
      ])
    }).pipe(capturedLogs().run))
})
