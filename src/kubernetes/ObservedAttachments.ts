import { Option } from "effect"
import { createHash } from "node:crypto"
import type { ObservedAttachment } from "../attachment/AttachmentStore.ts"
import type { AccessMode } from "../volume/AccessMode.ts"
import { decodeMigrationTimeout } from "../volume/MigrationTimeout.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { nodeIdAnnotation, type PersistentVolume, type VolumeAttachment } from "./Resources.ts"

/** The volume handle of a PersistentVolume, if a volume of this driver can have it. */
export const volumeIdOf = ({ spec }: PersistentVolume): Option.Option<VolumeId> =>
  Option.flatMap(Option.fromNullishOr(spec.csi), ({ volumeHandle }) => VolumeId.parse(volumeHandle))

/**
 * What a VolumeAttachment says, in the driver's words. The node id is the one that external-attacher noted when it published;
 * before that, the one under which the driver is registered on the node (`idOf`).
 */
export const observe = (
  { metadata, spec, status }: VolumeAttachment,
  volume: PersistentVolume,
  idOf: (nodeName: string) => string
): Option.Option<ObservedAttachment> =>
  Option.map(volumeIdOf(volume), (volumeId): ObservedAttachment => ({
    volumeId,
    nodeId: metadata.annotations?.[nodeIdAnnotation] ?? idOf(spec.nodeName),
    attached: status?.attached === true,
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    createdAt: metadata.creationTimestamp,
    accessMode: accessModeOf(volume),
    readonly: volume.spec.csi?.readOnly === true,
    migrationTimeoutSeconds: decodeMigrationTimeout(volume.spec.csi?.volumeAttributes?.migrationTimeoutSeconds).seconds
  }))

/**
 * The mode that external-attacher asks for when it publishes a PersistentVolume with a driver that offers
 * SINGLE_NODE_MULTI_WRITER (csi-lib-utils, accessmodes.ToCSIAccessMode). ReadOnlyMany alone is not served by this driver.
 */
const accessModeOf = ({ spec }: PersistentVolume): AccessMode => {
  const modes = spec.accessModes ?? []
  if (modes.includes("ReadWriteOncePod")) return "SINGLE_NODE_SINGLE_WRITER"
  return modes.includes("ReadWriteMany") ? "MULTI_NODE_MULTI_WRITER" : "SINGLE_NODE_MULTI_WRITER"
}

/**
 * The PersistentVolume that a VolumeAttachment is about although the one that it names is gone: the attachment's own name
 * is made of the volume's handle (kubernetes, pkg/volume/csi: getAttachmentName), and another one may have that handle.
 */
export const namesake = (
  { metadata, spec }: VolumeAttachment,
  volumes: ReadonlyArray<PersistentVolume>
): PersistentVolume | undefined =>
  volumes.find((volume) => isNamedAfter(volume.spec.csi?.volumeHandle ?? "", { metadata, spec }))

/** Whether the name of the VolumeAttachment is made of this handle. */
export const isNamedAfter = (
  handle: string,
  { metadata, spec }: Pick<VolumeAttachment, "metadata" | "spec">
): boolean => {
  const digest = createHash("sha256").update(`${handle}${spec.attacher}${spec.nodeName}`).digest("hex")
  return metadata.name === `csi-${digest}`
}
