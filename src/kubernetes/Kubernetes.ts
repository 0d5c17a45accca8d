import { type Duration, Effect, Layer, type Option } from "effect"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { Leadership } from "../attachment/Leadership.ts"
import { ClusterNodes } from "./ClusterNodes.ts"
import { ClusterView } from "./ClusterView.ts"
import { EventRecorder } from "./EventRecorder.ts"
import { kubeApiLayer } from "./KubeApiLive.ts"
import type { ClusterSource } from "./Kubeconfig.ts"
import { kubernetesAttachmentStore } from "./KubernetesAttachmentStore.ts"
import { kubernetesEvents } from "./KubernetesEvents.ts"
import { kubernetesNodeRegistry } from "./KubernetesNodeRegistry.ts"
import { kubernetesOrphanEvents } from "./KubernetesOrphanEvents.ts"
import { watchedReferences } from "./KubernetesOrphanReferences.ts"
import { kubernetesSharingGuard, type SharingPolicy } from "./KubernetesSharingGuard.ts"
import { leaderLease, leaseName, leaseTimes } from "./LeaderLease.ts"

export interface KubernetesOptions {
  readonly source: ClusterSource
  /** Name of the driver, as in the CSIDriver object. */
  readonly driver: string
  readonly sharingPolicy: SharingPolicy
  /** Whether replicas agree on a leader; without, this one leads. */
  readonly leaderElection: boolean
  /** How long the others wait for a leader that gives no sign of life; whole seconds. */
  readonly leaseDuration: Duration.Duration
  /** Where the leader's Lease is; none: the namespace that the process runs in. */
  readonly namespace: Option.Option<string>
}

/**
 * Everything that a controller in a cluster needs of it: AttachmentStore, AttachmentEvents, NodeRegistry, Leadership,
 * SharingGuard, OrphanReferences and OrphanEvents, and {@link ClusterView} to see how it is doing. Building it does not wait for the API server.
 */
export const kubernetesServices = (options: KubernetesOptions) =>
  Layer.mergeAll(
    kubernetesAttachmentStore,
    kubernetesEvents,
    kubernetesNodeRegistry,
    kubernetesOrphanEvents({ name: leaseName(options.driver), namespace: options.namespace }),
    watchedReferences,
    leadership(options),
    kubernetesSharingGuard(options.sharingPolicy)
  ).pipe(
    Layer.provide(EventRecorder.layer),
    Layer.provide(ClusterNodes.layer),
    Layer.provideMerge(ClusterView.layer(options.driver)),
    Layer.provide(kubeApiLayer(options.source))
  )

const leadership = ({ driver, leaderElection, leaseDuration, namespace }: KubernetesOptions) =>
  leaderElection
    ? Layer.unwrap(Effect.sync(() =>
      leaderLease({
        ...leaseTimes(leaseDuration),
        name: leaseName(driver),
        namespace,
        identity: `${hostname()}_${randomUUID()}`
      })
    ))
    : Leadership.layerAlways

/** Whether everything of the cluster has been listed once, for `/readyz`; if not, what has not. */
export const clusterReadiness = Effect.gen(function*() {
  const { attachments, csiNodes, nodes, volumes } = yield* ClusterView
  const listed = yield* Effect.all({
    PersistentVolumes: volumes.isSynced,
    VolumeAttachments: attachments.isSynced,
    Nodes: nodes.isSynced,
    CSINodes: csiNodes.isSynced
  })
  const missing = Object.entries(listed).flatMap(([kind, isListed]) => isListed ? [] : [kind])
  return missing.length === 0 ? { ready: true } : { ready: false, error: `not listed yet: ${missing.join(", ")}` }
})
