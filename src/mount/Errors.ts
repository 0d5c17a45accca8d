import { Schema } from "effect"

/**
 * What can go wrong with file systems, mounts and device nodes of a node. Every message is fit for a gRPC status.
 *
 * | error                | gRPC code           |
 * | -------------------- | ------------------- |
 * | DeviceUnreadable     | UNAVAILABLE         |
 * | ForeignContent       | FAILED_PRECONDITION |
 * | FilesystemDamaged    | FAILED_PRECONDITION |
 * | VolumeInUse          | FAILED_PRECONDITION |
 * | TargetOccupied       | FAILED_PRECONDITION |
 * | MountFailed          | UNAVAILABLE         |
 * | MountTableUnreadable | UNAVAILABLE         |
 * | StorageExhausted     | RESOURCE_EXHAUSTED  |
 * | StageRecordFailed    | UNAVAILABLE         |
 */
export type MountError =
  | DeviceUnreadable
  | ForeignContent
  | FilesystemDamaged
  | VolumeInUse
  | TargetOccupied
  | MountFailed
  | MountTableUnreadable
  | StorageExhausted
  | StageRecordFailed

/** The device could not be read, so nothing is known about its content. Never to be taken for "empty". */
export class DeviceUnreadable extends Schema.TaggedError<DeviceUnreadable>()("DeviceUnreadable", {
  device: Schema.String,
  message: Schema.String
}) {}

/** The device holds something other than the file system that was asked for. It is not formatted over. */
export class ForeignContent extends Schema.TaggedError<ForeignContent>()("ForeignContent", {
  device: Schema.String,
  message: Schema.String
}) {}

/** The file system has errors that need a person's decision. It was not mounted. */
export class FilesystemDamaged extends Schema.TaggedError<FilesystemDamaged>()("FilesystemDamaged", {
  device: Schema.String,
  message: Schema.String
}) {}

/** A process, a mount or another block driver still uses the volume. */
export class VolumeInUse extends Schema.TaggedError<VolumeInUse>()("VolumeInUse", {
  message: Schema.String
}) {}

/** Something that this driver did not put there is at the path; it is left alone. */
export class TargetOccupied extends Schema.TaggedError<TargetOccupied>()("TargetOccupied", {
  path: Schema.String,
  message: Schema.String
}) {}

/** A format, check, mount, unmount, grow or node operation failed, or ran into its time limit. May be tried again. */
export class MountFailed extends Schema.TaggedError<MountFailed>()("MountFailed", {
  operation: Schema.String,
  message: Schema.String
}) {}

/** The mount table or the list of users of a device could not be read. Never to be taken for "not mounted" or "unused". */
export class MountTableUnreadable extends Schema.TaggedError<MountTableUnreadable>()("MountTableUnreadable", {
  message: Schema.String
}) {}

/** The node's own disk, or the volume, has no room left for what was asked. */
export class StorageExhausted extends Schema.TaggedError<StorageExhausted>()("StorageExhausted", {
  message: Schema.String
}) {}

/** A stage record could not be written or removed. */
export class StageRecordFailed extends Schema.TaggedError<StageRecordFailed>()("StageRecordFailed", {
  volumeId: Schema.String,
  message: Schema.String
}) {}
