import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Controller, VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { block, pvc } from "../support/Requests.ts"
import { TestCluster } from "../support/TestCluster.ts"

const shared = { ...block, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }

layer(TestCluster.layer(), { excludeTestServices: true })("live migration", (it) => {
  it.effect("a shared block volume is held by two nodes at most, and a file system never by two", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const controller = controllerCalls(client)
      const volumeId = pvc(1)
      const publish = (nodeId: string) =>
        client.call(Controller.method.controllerPublishVolume, { volumeId, nodeId, volumeCapability: shared })
      const holders = Effect.map(controller.get(volumeId), ({ status }) => status?.publishedNodeIds)
      yield* controller.create(volumeId, { volumeCapabilities: [shared] })

      yield* publish("node-a")
      yield* publish("node-b")
      yield* publish("node-a")
      const third = yield* Effect.flip(publish("node-c"))
      assert.strictEqual(third.code, "FAILED_PRECONDITION")
      assert.match(third.details, /node-a.*node-b.*node-c.*at most two nodes/)
      assert.deepStrictEqual(yield* holders, ["node-a", "node-b"])

      yield* controller.unpublish(volumeId, "node-a")
      assert.deepStrictEqual(yield* holders, ["node-b"])
      yield* publish("node-c")
      assert.strictEqual((yield* Effect.flip(controller.remove(volumeId))).code, "FAILED_PRECONDITION")
      yield* controller.unpublish(volumeId, "")
      assert.deepStrictEqual(yield* holders, [])
      assert.strictEqual(
        (yield* Effect.flip(controller.create(pvc(2), {
          volumeCapabilities: [{ ...shared, accessType: { case: "mount", value: { fsType: "ext4" } } }]
        }))).code,
        "INVALID_ARGUMENT"
      )
      yield* controller.remove(volumeId)
    }))
})
