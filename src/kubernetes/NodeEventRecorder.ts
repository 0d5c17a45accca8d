import { Context, Effect, Layer } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { claimOf, type Notice } from "./EventPost.ts"
import { makeEventQueue } from "./EventQueue.ts"
import { KubeApi } from "./KubeApi.ts"
import { kubeApiLayer } from "./KubeApiLive.ts"
import type { ClusterSource } from "./Kubeconfig.ts"
import { persistentVolumes } from "./Resources.ts"

export interface NodeEventOptions {
  readonly source: ClusterSource
  /** Name of the driver, as in the CSIDriver object. */
  readonly driver: string
  /** Which node's events these are. */
  readonly nodeId: string
}

/** Posts a node plugin's Kubernetes Events on the claims of volumes. */
export class NodeEventRecorder extends Context.Service<NodeEventRecorder, {
  /** Best effort, without waiting for anything. What is said again within an hour is counted in the event that said it first. */
  post(volumeId: VolumeId, notice: Notice): Effect.Effect<void>
}>()("rds-csi/kubernetes/NodeEventRecorder") {
  /**
   * Finds a claim through the PersistentVolume named like the volume, as external-provisioner names them: of the API a node
   * needs `get` for PersistentVolumes and `create` and `patch` for Events, and no list or watch. A volume whose
   * PersistentVolume was made by hand under another name gets no events of its nodes.
   */
  static readonly layer = (options: NodeEventOptions) =>
    Layer.effect(NodeEventRecorder, make(options)).pipe(Layer.provide(kubeApiLayer(options.source)))
}

const make = Effect.fnUntraced(function*({ driver, nodeId }: NodeEventOptions) {
  const api = yield* KubeApi
  const post = yield* makeEventQueue({
    source: { component: "rds-csi-node", host: nodeId },
    subjectOf: (volumeId: VolumeId) =>
      api.get(persistentVolumes, { name: volumeId }).pipe(
        Effect.map((volume) => {
          const { csi } = volume.spec
          return csi?.driver === driver && csi.volumeHandle === volumeId ? claimOf([volume]) : undefined
        }),
        Effect.catchTag("KubeNotFound", () => Effect.succeed(undefined))
      ),
    start: Effect.void,
    isStarted: Effect.succeed(true)
  })
  return NodeEventRecorder.of({ post })
})
