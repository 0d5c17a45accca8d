import { Effect } from "effect"
import { NodeServiceCapability_RPC_Type as Rpc } from "../gen/csi_pb.ts"
import type { NodeConfig } from "./Config.ts"

const advertised = [
  Rpc.STAGE_UNSTAGE_VOLUME,
  Rpc.GET_VOLUME_STATS,
  Rpc.EXPAND_VOLUME,
  Rpc.VOLUME_CONDITION,
  Rpc.SINGLE_NODE_MULTI_WRITER
]

/** CSI spec, NodeGetCapabilities. A constant: kubelet asks several times for each mount. */
export const nodeGetCapabilities = () =>
  Effect.succeed({
    capabilities: advertised.map((type) => ({ type: { case: "rpc" as const, value: { type } } }))
  })

/** CSI spec, NodeGetInfo. A constant that depends on nothing: kubelet's registration of the driver waits for it. */
export const nodeGetInfo = ({ nodeId, maxVolumes }: NodeConfig) => () =>
  Effect.succeed({ nodeId, maxVolumesPerNode: BigInt(maxVolumes) })
