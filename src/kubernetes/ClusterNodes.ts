import { Context, Effect, Layer } from "effect"
import { ClusterView, nodeIdsIn } from "./ClusterView.ts"
import type { KubeReadError } from "./Errors.ts"
import { KubeApi } from "./KubeApi.ts"
import { csiNodes, nodes } from "./Resources.ts"

/**
 * Nodes by the ids that the driver's NodeGetInfo announces. The id is in the CSINode object for as long as the driver is
 * registered on the node; in this driver it is the node's name.
 */
export class ClusterNodes extends Context.Service<ClusterNodes, {
  /** The id under which the driver is registered on the node, as last heard of; else the node's name. */
  idOf(nodeName: string): string
  /** The name of the node that has, or had, this id. */
  nameOf(nodeId: string): string
  /** Whether the Node object is there now. */
  exists(nodeId: string): Effect.Effect<boolean, KubeReadError>
  /**
   * Whether volumes can be published to this id: the driver is registered with it on some node, or it is the name of a
   * node. A yes may be a moment old; a no is as of now.
   */
  isPublishable(nodeId: string): Effect.Effect<boolean, KubeReadError>
}>()("rds-csi/kubernetes/ClusterNodes") {
  static readonly layer = Layer.effect(
    ClusterNodes,
    Effect.gen(function*() {
      const api = yield* KubeApi
      const { csiNodes: registered, driver, nodes: known } = yield* ClusterView

      /** Names of nodes that once had an id other than their name: while a driver restarts, its CSINode does not tell. */
      const remembered = new Map<string, string>()

      const nameOf = (nodeId: string) => {
        const [node] = registered.objects.having(nodeId)
        if (node === undefined) return remembered.get(nodeId) ?? nodeId
        if (node.metadata.name !== nodeId) remembered.set(nodeId, node.metadata.name)
        return node.metadata.name
      }

      const isThere = (name: string) =>
        api.get(nodes, { name }).pipe(
          Effect.as(true),
          Effect.catchTag("KubeNotFound", () => Effect.succeed(false))
        )

      return ClusterNodes.of({
        idOf: (nodeName) => {
          const node = registered.objects.get(nodeName)
          return (node === undefined ? [] : nodeIdsIn(node, driver))[0] ?? nodeName
        },
        nameOf,
        exists: (nodeId) => Effect.suspend(() => isThere(nameOf(nodeId))),
        isPublishable: Effect.fnUntraced(function*(nodeId) {
          if (known.objects.get(nameOf(nodeId)) !== undefined) return true
          const { items } = yield* api.list(csiNodes)
          return items.some((node) => nodeIdsIn(node, driver).includes(nodeId)) || (yield* isThere(nodeId))
        })
      })
    })
  )
}
