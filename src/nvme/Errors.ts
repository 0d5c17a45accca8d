import { Schema } from "effect"

/**
 * What can go wrong on the NVMe/TCP side of a node. Every message is fit for a gRPC status.
 *
 * | error                | gRPC code           |
 * | -------------------- | ------------------- |
 * | ConnectFailed        | UNAVAILABLE         |
 * | ConnectedElsewhere   | FAILED_PRECONDITION |
 * | SubsystemNotOurs     | FAILED_PRECONDITION |
 * | DeviceMissing        | UNAVAILABLE         |
 * | DisconnectFailed     | UNAVAILABLE         |
 * | FabricUnreadable     | UNAVAILABLE         |
 */
export type NvmeError =
  | ConnectFailed
  | ConnectedElsewhere
  | SubsystemNotOurs
  | DeviceMissing
  | DisconnectFailed
  | FabricUnreadable

/** The target refused, could not be reached, or did not answer within the limit. Nothing is left connected. */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  nqn: Schema.String,
  message: Schema.String
}) {}

/** The node already uses a subsystem of this NQN at another address. It is left alone. */
export class ConnectedElsewhere extends Schema.TaggedError<ConnectedElsewhere>()("ConnectedElsewhere", {
  nqn: Schema.String,
  message: Schema.String
}) {}

/** The NQN is not one this driver derives from a volume id. Nothing was touched. */
export class SubsystemNotOurs extends Schema.TaggedError<SubsystemNotOurs>()("SubsystemNotOurs", {
  nqn: Schema.String,
  message: Schema.String
}) {}

/** The subsystem has no usable block device of the wanted size, and none came within the limit. */
export class DeviceMissing extends Schema.TaggedError<DeviceMissing>()("DeviceMissing", {
  nqn: Schema.String,
  message: Schema.String
}) {}

/** The subsystem is still there after a disconnect. */
export class DisconnectFailed extends Schema.TaggedError<DisconnectFailed>()("DisconnectFailed", {
  nqn: Schema.String,
  message: Schema.String
}) {}

/** The kernel's view of the subsystems could not be read. Never to be taken for "not connected". */
export class FabricUnreadable extends Schema.TaggedError<FabricUnreadable>()("FabricUnreadable", {
  message: Schema.String
}) {}
