import { Effect } from "effect"
import { ControllerServiceCapability_RPC_Type as Rpc } from "../gen/csi_pb.ts"

const advertised = [
  Rpc.CREATE_DELETE_VOLUME,
  Rpc.PUBLISH_UNPUBLISH_VOLUME,
  Rpc.LIST_VOLUMES,
  Rpc.LIST_VOLUMES_PUBLISHED_NODES,
  Rpc.GET_CAPACITY,
  Rpc.PUBLISH_READONLY,
  Rpc.EXPAND_VOLUME,
  Rpc.CREATE_DELETE_SNAPSHOT,
  Rpc.LIST_SNAPSHOTS,
  Rpc.CLONE_VOLUME,
  Rpc.VOLUME_CONDITION,
  Rpc.GET_VOLUME,
  Rpc.SINGLE_NODE_MULTI_WRITER
]

/** CSI spec, ControllerGetCapabilities. A constant: sidecars read it once, at their start. */
export const controllerGetCapabilities = () =>
  Effect.succeed({
    capabilities: advertised.map((type) => ({ type: { case: "rpc" as const, value: { type } } }))
  })
