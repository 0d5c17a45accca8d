import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Controller, Node } from "../../src/csi/gen/csi_pb.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { Nqn } from "../../src/volume/Nqn.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { startOrchestrator } from "../support/Orchestrator.ts"
import { block, pvc } from "../support/Requests.ts"
import { nodes, startAppliance, TestCluster } from "../support/TestCluster.ts"

const start = Effect.gen(function*() {
  const appliance = yield* startAppliance()
  return { ...appliance, ...yield* startOrchestrator(appliance, nodes) }
})

const allowed = ({ device }: Simulator) => Effect.map(device.disks, ([disk]) => disk?.allowHostName)
const limited = ["--leader-election=false", "--host-access=holders"]

layer(NodeServices.layer, { excludeTestServices: true })("hosts that the appliance lets in", (it) => {
  it.effect("are the holders: nobody, one node, two while a machine moves, the target, nobody", () =>
    Effect.gen(function*() {
      const { attach, detach, provision, publish, simulator, startController } = yield* start
      const { client } = yield* startController("first", limited)
      const volume = yield* provision(client, pvc(1), { isShared: true })
      assert.strictEqual(yield* allowed(simulator), Nqn.nobody)
      yield* attach(client, volume, "node-a")
      assert.strictEqual(yield* allowed(simulator), Nqn.host("node-a"))
      yield* attach(client, volume, "node-b")
      assert.strictEqual(yield* allowed(simulator), `${Nqn.host("node-a")},${Nqn.host("node-b")}`)
      yield* Effect.flip(publish(client, volume, "node-c"))
      yield* detach(client, volume, "node-a")
      assert.strictEqual(yield* allowed(simulator), Nqn.host("node-b"))

      yield* simulator.faults.add("error=\"failure: not now\" match=/disk/set")
      const failure = yield* Effect.flip(controllerCalls(client).unpublish(volume.volumeId, "node-b"))
      assert.strictEqual(failure.code, "UNAVAILABLE")
      assert.match(failure.details, /limit the hosts of volume pvc-.* not now/)
      yield* detach(client, volume, "node-b")
      assert.strictEqual(yield* allowed(simulator), Nqn.nobody)
    }))

  it.effect("without the flag are left alone, and a node that is not among them is told so", () =>
    Effect.gen(function*() {
      const { attach, detach, provision, publish, simulator, startController } = yield* start
      const first = yield* startController("first", limited)
      const volume = yield* provision(first.client, pvc(1))
      yield* attach(first.client, volume, "node-a")
      yield* first.process.stop("SIGTERM")

      const { client } = yield* startController("second", ["--leader-election=false"])
      yield* publish(client, volume, "node-a")
      yield* detach(client, volume, "node-a")
      assert.strictEqual(yield* allowed(simulator), Nqn.host("node-a"))
      const failure = yield* Effect.flip(publish(client, volume, "node-b"))
      assert.strictEqual(failure.code, "FAILED_PRECONDITION")
      assert.match(failure.details, /lets in certain hosts only .* is not one of them; empty that property/)
    }))
})

layer(TestCluster.layer({}, ["--host-access=holders"]), { excludeTestServices: true })(
  "a node that is not let in",
  (it) => {
    it.effect("cannot stage the volume before it is attached, nor after it is detached", () =>
      Effect.gen(function*() {
        const { client, directory } = yield* TestCluster
        const controller = controllerCalls(client)
        const { volumeContext, volumeId } = yield* controller.create(pvc(3), { volumeCapabilities: [block] })
        const call = { volumeId, stagingTargetPath: `${directory}/staging`, volumeCapability: block, volumeContext }
        const stage = client.call(Node.method.nodeStageVolume, call)
        const refused = Effect.gen(function*() {
          const failure = yield* Effect.flip(stage)
          assert.strictEqual(failure.code, "UNAVAILABLE")
          assert.include(failure.details, "is not let in")
        })
        yield* refused
        yield* client.call(Controller.method.controllerPublishVolume, {
          volumeId,
          volumeContext,
          nodeId: nodes[0],
          volumeCapability: block
        })
        yield* stage
        yield* client.call(Node.method.nodeUnstageVolume, call)
        yield* controller.unpublish(volumeId, nodes[0])
        yield* refused
        yield* controller.remove(volumeId)
      }))
  }
)
