import { Effect, Layer } from "effect"
import { NodeRegistry, NodeRegistryUnavailable } from "../attachment/NodeRegistry.ts"
import { ClusterNodes } from "./ClusterNodes.ts"

/** The nodes of the cluster, by the ids under which the driver is registered there. */
export const kubernetesNodeRegistry = Layer.effect(
  NodeRegistry,
  Effect.map(ClusterNodes, (nodes) =>
    NodeRegistry.of({
      exists: (nodeId) =>
        Effect.mapError(nodes.isPublishable(nodeId), ({ message }) =>
          new NodeRegistryUnavailable({
            message:
              `whether node ${nodeId} exists is not known now, as the Kubernetes API is not available: ${message}`
          }))
    }))
)
