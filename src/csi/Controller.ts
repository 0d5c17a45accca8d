import type { Fencing } from "../attachment/Fencing.ts"
import type { HostAccess } from "../attachment/HostAccess.ts"
import type { NodeRegistry } from "../attachment/NodeRegistry.ts"
import type { SharingGuard } from "../attachment/SharingGuard.ts"
import type { RdsClient } from "../rds/RdsClient.ts"
import type { VolumeLock } from "../volume/VolumeLock.ts"
import { controllerGetCapabilities } from "./controller/Capabilities.ts"
import type { ControllerConfig } from "./controller/Config.ts"
import { createSnapshot } from "./controller/CreateSnapshot.ts"
import { createVolume } from "./controller/CreateVolume.ts"
import { deleteSnapshot } from "./controller/DeleteSnapshot.ts"
import { deleteVolume } from "./controller/DeleteVolume.ts"
import { expandVolume } from "./controller/ExpandVolume.ts"
import { getCapacity } from "./controller/GetCapacity.ts"
import { listSnapshots } from "./controller/ListSnapshots.ts"
import { getVolume, listVolumes } from "./controller/ListVolumes.ts"
import { publishVolume, unpublishVolume } from "./controller/PublishVolume.ts"
import { validateVolumeCapabilities } from "./controller/ValidateVolumeCapabilities.ts"
import type { Controller } from "./gen/csi_pb.ts"
import type { Handlers } from "./GrpcService.ts"

/** What the RPCs of the Controller service work with. */
export type ControllerServices = Fencing | HostAccess | NodeRegistry | RdsClient | SharingGuard | VolumeLock

/**
 * The Controller service of the CSI spec. Each RPC checks its request first, then takes the lock of its volume (`ABORTED` when
 * another call holds it), then looks at the appliance; an appliance that does not answer is `UNAVAILABLE`, never
 * `NOT_FOUND`. ControllerModifyVolume is not offered.
 */
export const makeController = (config: ControllerConfig): Handlers<typeof Controller, ControllerServices> => ({
  controllerGetCapabilities,
  createVolume: createVolume(config),
  deleteVolume,
  controllerPublishVolume: publishVolume(config),
  controllerUnpublishVolume: unpublishVolume,
  validateVolumeCapabilities: validateVolumeCapabilities(config),
  listVolumes,
  controllerGetVolume: getVolume,
  getCapacity: getCapacity(config),
  controllerExpandVolume: expandVolume,
  createSnapshot: createSnapshot(config),
  deleteSnapshot,
  listSnapshots
})
