import { Context, Effect, Exit, Layer, Scope } from "effect"
import { AttachmentStore } from "../../../src/attachment/AttachmentStore.ts"
import { ClusterNodes } from "../../../src/kubernetes/ClusterNodes.ts"
import { ClusterView } from "../../../src/kubernetes/ClusterView.ts"
import type { KubeConfigInvalid } from "../../../src/kubernetes/Errors.ts"
import { EventRecorder } from "../../../src/kubernetes/EventRecorder.ts"
import type { KubeApi } from "../../../src/kubernetes/KubeApi.ts"
import { kubernetesAttachmentStore } from "../../../src/kubernetes/KubernetesAttachmentStore.ts"
import { kubernetesEvents } from "../../../src/kubernetes/KubernetesEvents.ts"

const services = Layer.mergeAll(kubernetesAttachmentStore, kubernetesEvents).pipe(
  Layer.provideMerge(EventRecorder.layer),
  Layer.provideMerge(ClusterNodes.layer),
  Layer.provideMerge(ClusterView.layer("rds.csi.srvlab.io"))
)

/** What a replica of the controller has of the cluster. It ends with the scope, or before through `stop`. */
export const startReplica = Effect.fnUntraced(function*(api: Layer.Layer<KubeApi, KubeConfigInvalid>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.build(Layer.provideMerge(Layer.fresh(services), api)).pipe(Scope.provide(scope))
  const view = Context.get(context, ClusterView)
  return {
    context,
    store: Context.get(context, AttachmentStore),
    view,
    /** Waits until everything has been listed once. */
    synced: Effect.all([view.volumes.synced, view.attachments.synced, view.nodes.synced, view.csiNodes.synced], {
      discard: true
    }),
    stop: Scope.close(scope, Exit.void)
  }
})
