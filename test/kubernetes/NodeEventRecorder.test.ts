import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { NodeEventRecorder } from "../../src/kubernetes/NodeEventRecorder.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { until } from "../support/Until.ts"

const id = VolumeId.fromName("pvc-00000001-0000-4000-8000-000000000000")

/** All that a node's role allows. */
const allowed = new Set(["get persistentvolumes", "create events", "patch events"])

const start = Effect.gen(function*() {
  const cluster = yield* startCluster({ allows: ({ plural, verb }) => allowed.has(`${verb} ${plural}`) })
  const context = yield* Layer.build(
    NodeEventRecorder.layer({
      source: { _tag: "Kubeconfig", path: cluster.kubeconfig },
      driver: "rds.csi.srvlab.io",
      nodeId: "node-a"
    }).pipe(Layer.provide(NodeFileSystem.layer))
  )
  return { cluster, recorder: Context.get(context, NodeEventRecorder) }
})

const failure = { type: "Warning", reason: "ConnectionFailure", message: "the connection is down" } as const

describe("NodeEventRecorder", () => {
  it.live("counts what is said again in one event of the volume's claim, as the node", () =>
    Effect.gen(function*() {
      const { cluster, recorder } = yield* start
      cluster.addVolume(id, { claim: "apps/data" })
      yield* recorder.post(id, failure)
      yield* until(Effect.sync(() => cluster.events().length === 1))
      yield* recorder.post(id, failure)
      yield* until(Effect.sync(() => cluster.events()[0]?.["count"] === 2))
      const [event] = cluster.events()
      assert.deepInclude(event, { ...failure, source: { component: "rds-csi-node", host: "node-a" } })
      assert.deepInclude(event?.["involvedObject"], { kind: "PersistentVolumeClaim", namespace: "apps", name: "data" })
    }))

  it.live("tells nobody about volumes without claim, of another driver, or without PersistentVolume", () =>
    Effect.gen(function*() {
      const { cluster, recorder } = yield* start
      const [unbound, foreign, missing] = ["a", "b", "c"].map((name) => VolumeId.fromName(name))
      assert.isDefined(unbound)
      assert.isDefined(foreign)
      assert.isDefined(missing)
      cluster.addVolume(unbound, { claim: "" })
      cluster.addVolume(foreign, { driver: "other.example" })
      for (const volume of [unbound, foreign, missing]) yield* recorder.post(volume, failure)
      cluster.addVolume(id)
      yield* recorder.post(id, failure)
      yield* until(Effect.sync(() => cluster.events().length > 0))
      assert.lengthOf(cluster.events(), 1)
    }))

  it.live("posts what happened during a short outage of the API server", () =>
    Effect.gen(function*() {
      const { cluster, recorder } = yield* start
      cluster.addVolume(id)
      cluster.faults.add({ fault: { _tag: "CutBefore" }, times: 1 })
      yield* recorder.post(id, failure)
      yield* until(Effect.sync(() => cluster.events().length === 1))
    }))
})
