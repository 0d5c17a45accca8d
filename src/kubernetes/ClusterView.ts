import { Context, Effect, Layer } from "effect"
import {
  type CSINode,
  csiNodes,
  type Node,
  nodes,
  type PersistentVolume,
  persistentVolumes,
  type VolumeAttachment,
  volumeAttachments
} from "./Resources.ts"
import { makeWatchCache, type WatchCache } from "./WatchCache.ts"

/** What of the cluster concerns one driver, as last heard of. */
export class ClusterView extends Context.Service<ClusterView, {
  /** Name of the driver, as in `spec.csi.driver`. */
  readonly driver: string
  /** The driver's volumes; also by `spec.csi.volumeHandle`. Several PersistentVolumes may have one handle. */
  readonly volumes: WatchCache<PersistentVolume>
  /** The driver's attachments; also by the name of their PersistentVolume. */
  readonly attachments: WatchCache<VolumeAttachment>
  readonly nodes: WatchCache<Node>
  /** Also by the node ids under which the driver registered. */
  readonly csiNodes: WatchCache<CSINode>
}>()("rds-csi/kubernetes/ClusterView") {
  static readonly layer = (driver: string) =>
    Layer.effect(
      ClusterView,
      Effect.all({
        driver: Effect.succeed(driver),
        volumes: makeWatchCache({
          resource: persistentVolumes,
          concerns: ({ spec }) => spec.csi?.driver === driver,
          keysOf: ({ spec }) => spec.csi === undefined || spec.csi === null ? [] : [spec.csi.volumeHandle]
        }),
        attachments: makeWatchCache({
          resource: volumeAttachments,
          concerns: ({ spec }) => spec.attacher === driver,
          keysOf: ({ spec: { source } }) =>
            typeof source.persistentVolumeName === "string" ? [source.persistentVolumeName] : []
        }),
        nodes: makeWatchCache({ resource: nodes }),
        csiNodes: makeWatchCache({ resource: csiNodes, keysOf: (node) => nodeIdsIn(node, driver) })
      })
    )
}

/** The node ids under which the driver is registered on a node: one, or none. */
export const nodeIdsIn = ({ spec }: CSINode, driver: string): ReadonlyArray<string> =>
  (spec.drivers ?? []).flatMap(({ name, nodeID }) => name === driver ? [nodeID] : [])
