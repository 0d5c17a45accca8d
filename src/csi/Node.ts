import type { Mounter } from "../mount/Mounter.ts"
import type { StageRecords } from "../mount/StageRecords.ts"
import type { NvmeFabric } from "../nvme/NvmeFabric.ts"
import { measured, volumeOperationDurationSeconds, volumeOperationsTotal } from "../observability/Metrics.ts"
import type { VolumeLock } from "../volume/VolumeLock.ts"
import type { Node } from "./gen/csi_pb.ts"
import type { Handlers } from "./GrpcService.ts"
import type { NodeConfig } from "./node/Config.ts"
import { expandVolume } from "./node/Expand.ts"
import { nodeGetCapabilities, nodeGetInfo } from "./node/Info.ts"
import { publishVolume } from "./node/Publish.ts"
import { stageVolume } from "./node/Stage.ts"
import { getVolumeStats } from "./node/Stats.ts"
import { unpublishVolume } from "./node/Unpublish.ts"
import { unstageVolume } from "./node/Unstage.ts"
import type { NodeEvents } from "./node/watch/NodeEvents.ts"
import type { VolumeWatch } from "./node/watch/VolumeWatch.ts"

/** What the RPCs of the Node service work with. */
export type NodeServices = NvmeFabric | Mounter | StageRecords | VolumeLock | VolumeWatch | NodeEvents

/**
 * The Node service of the CSI spec. Each RPC checks its request first, then takes the lock of its volume (`ABORTED` when
 * another call holds it), then goes by the kernel's state, never by what it remembers.
 */
export const makeNode = (config: NodeConfig) => ({
  nodeGetCapabilities,
  nodeGetInfo: nodeGetInfo(config),
  nodeStageVolume: (request) => counted("stage")(stageVolume(config)(request)),
  nodeUnstageVolume: (request) => counted("unstage")(unstageVolume(config)(request)),
  nodePublishVolume: (request) => counted("publish")(publishVolume(config)(request)),
  nodeUnpublishVolume: (request) => counted("unpublish")(unpublishVolume(config)(request)),
  nodeGetVolumeStats: getVolumeStats,
  nodeExpandVolume: (request) => counted("expand")(expandVolume(config)(request))
} satisfies Handlers<typeof Node, NodeServices>)

const counted = (operation: string) =>
  measured({
    total: volumeOperationsTotal,
    seconds: volumeOperationDurationSeconds,
    attributes: { operation }
  })
