import { Context, Effect, Layer, Schema } from "effect"

/** It is not known now which nodes exist. Maps to `UNAVAILABLE`: try again. */
export class NodeRegistryUnavailable
  extends Schema.TaggedError<NodeRegistryUnavailable>()("NodeRegistryUnavailable", { message: Schema.String })
{}

/**
 * Knows which nodes exist. ControllerPublishVolume asks it before it grants a volume, since the CSI spec wants `NOT_FOUND`
 * for a node that is not part of the cluster.
 */
export class NodeRegistry extends Context.Service<NodeRegistry, {
  /** Whether `nodeId` is a string that some node's NodeGetInfo announces. */
  exists(nodeId: string): Effect.Effect<boolean, NodeRegistryUnavailable>
}>()("rds-csi/attachment/NodeRegistry") {
  /** A fixed set of node ids: the own one when controller and node share a process, and those named on the command line. */
  static readonly layerStatic = (nodeIds: ReadonlyArray<string>) => {
    const known = new Set(nodeIds)
    return Layer.succeed(NodeRegistry, { exists: (nodeId) => Effect.succeed(known.has(nodeId)) })
  }
}
