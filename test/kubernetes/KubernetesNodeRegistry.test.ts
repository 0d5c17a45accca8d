import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { NodeRegistry } from "../../src/attachment/NodeRegistry.ts"
import { kubernetesNodeRegistry } from "../../src/kubernetes/KubernetesNodeRegistry.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { startReplica } from "../support/kubernetes/Replica.ts"

const start = Effect.gen(function*() {
  const cluster = yield* startCluster()
  const { context, synced } = yield* startReplica(cluster.api)
  const layer = Layer.provide(kubernetesNodeRegistry, Layer.succeedContext(context))
  const { exists } = Context.get(yield* Layer.build(layer), NodeRegistry)
  return { ...cluster, exists, synced }
})

describe("KubernetesNodeRegistry", () => {
  it.live("a node exists under the id with which the driver registered there, without a request", () =>
    Effect.gen(function*() {
      const { addNode, exists, requests, synced } = yield* start
      addNode("n1", { nodeId: "id-1" })
      yield* synced
      const before = requests.filter(({ verb }) => verb !== "watch").length
      assert.isTrue(yield* exists("id-1"))
      assert.strictEqual(requests.filter(({ verb }) => verb !== "watch").length, before)
    }))

  it.live("without a CSINode entry the node's name will do", () =>
    Effect.gen(function*() {
      const { addNode, exists, synced } = yield* start
      addNode("n1", { nodeId: null })
      yield* synced
      assert.isTrue(yield* exists("n1"))
    }))

  it.live("a node that the watch has not told of yet exists, under either name", () =>
    Effect.gen(function*() {
      const { addNode, exists, synced, watchers } = yield* start
      yield* synced
      watchers.holdBack(true)
      addNode("n1", { nodeId: "id-1" })
      assert.isTrue(yield* exists("id-1"))
      assert.isTrue(yield* exists("n1"))
    }))

  it.live("an unknown id does not exist", () =>
    Effect.gen(function*() {
      const { addNode, exists, synced } = yield* start
      addNode("n1")
      yield* synced
      assert.isFalse(yield* exists("n2"))
      assert.isFalse(yield* exists("../nodes"))
      assert.isFalse(yield* exists("UPPER CASE?"))
    }))

  it.live("API trouble is an error, neither yes nor no", () =>
    Effect.gen(function*() {
      const { exists, faults, synced } = yield* start
      yield* synced
      faults.add({ fault: { _tag: "Error", code: 500 } })
      const error = yield* Effect.flip(exists("n1"))
      assert.strictEqual(error._tag, "NodeRegistryUnavailable")
      assert.match(error.message, /^whether node n1 exists is not known now/)
    }).pipe(capturedLogs().run))
})
