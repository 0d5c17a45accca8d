import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Layer, Option, Scope, Stream } from "effect"
import { AttachmentStore } from "../../src/attachment/AttachmentStore.ts"
import { Leadership } from "../../src/attachment/Leadership.ts"
import { NodeRegistry } from "../../src/attachment/NodeRegistry.ts"
import { SharingGuard } from "../../src/attachment/SharingGuard.ts"
import { clusterReadiness, type KubernetesOptions, kubernetesServices } from "../../src/kubernetes/Kubernetes.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { kinds } from "../support/kubernetes/Kinds.ts"
import { part, text } from "../support/kubernetes/ObjectStore.ts"
import { until } from "../support/Until.ts"

const start = Effect.fnUntraced(function*(options: Partial<KubernetesOptions> = {}) {
  const cluster = yield* startCluster()
  const layer = kubernetesServices({
    source: { _tag: "Kubeconfig", path: cluster.kubeconfig },
    driver: "rds.csi.srvlab.io",
    sharingPolicy: "warn",
    leaderElection: true,
    leaseDuration: Duration.seconds(15),
    namespace: Option.none(),
    ...options
  })
  const build = Layer.build(Layer.provide(Layer.fresh(layer), NodeFileSystem.layer))
  return { ...cluster, build, leases: () => cluster.objects.list(kinds.lease).map((lease) => part(lease, "spec")) }
})

describe("kubernetesServices", () => {
  it.live("everything a controller in a cluster needs, from one kubeconfig", () =>
    Effect.gen(function*() {
      const { addNode, addVolume, build, leases } = yield* start()
      const v1 = VolumeId.fromName("v1")
      addNode("n1")
      addVolume(v1)
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(build, scope)
      yield* until(Effect.map(Effect.provide(clusterReadiness, context), ({ ready }) => ready))
      assert.isTrue(yield* Context.get(context, NodeRegistry).exists("n1"))
      assert.isTrue(Option.isSome(yield* Context.get(context, AttachmentStore).peek(v1)))
      yield* Context.get(context, SharingGuard).check(v1, "n1", "n1")
      const [leads] = yield* Context.get(context, Leadership).changes.pipe(
        Stream.filter((leads) => leads),
        Stream.take(1),
        Stream.runCollect
      )
      assert.isTrue(leads)
      assert.match(text(leases()[0] ?? {}, "holderIdentity"), /_[0-9a-f-]{36}$/)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(leases()[0]?.["holderIdentity"], "")
    }).pipe(capturedLogs().run))

  it.live("starts without the API server, and says what it waits for", () =>
    Effect.gen(function*() {
      const { build, partition } = yield* start()
      partition(true)
      const readiness = Effect.provide(clusterReadiness, yield* build)
      assert.deepStrictEqual(yield* readiness, {
        ready: false,
        error: "not listed yet: PersistentVolumes, VolumeAttachments, Nodes, CSINodes"
      })
      partition(false)
      yield* until(Effect.map(readiness, ({ ready }) => ready))
    }).pipe(capturedLogs().run))

  it.live("without leader election it leads, and there is no Lease", () =>
    Effect.gen(function*() {
      const { build, leases } = yield* start({ leaderElection: false })
      const { changes } = Context.get(yield* build, Leadership)
      assert.deepStrictEqual(yield* Stream.runHead(changes), Option.some(true))
      assert.deepStrictEqual(leases(), [])
    }).pipe(capturedLogs().run))
})
