import type { status } from "@grpc/grpc-js"
import type {
  AttachmentConflict,
  AttachmentIncompatible,
  AttachmentUnknown,
  AttachmentUnrecordable,
  HostAccessFailed,
  StoreUnavailable
} from "../attachment/Errors.ts"
import type { NodeRegistryUnavailable } from "../attachment/NodeRegistry.ts"
import type { MountError } from "../mount/Errors.ts"
import type { NvmeError } from "../nvme/Errors.ts"
import type { RdsError } from "../rds/Errors.ts"
import type { InvalidArgument, OutOfRange } from "../volume/Errors.ts"
import type { VolumeBusy } from "../volume/VolumeLock.ts"
import type {
  FailedPrecondition,
  InvalidToken,
  NodeNotFound,
  SourceNotFound,
  Unimplemented,
  VolumeIncompatible,
  VolumeNotAtPath,
  VolumeNotFound
} from "./Errors.ts"
import { printable } from "./Printable.ts"

/** The name of a gRPC status code, e.g. `NOT_FOUND`. */
export type StatusCode = keyof typeof status

/** Everything an RPC may fail with. Each carries a `message` for people: what, which volume, which node, what to do. */
export type DriverError =
  | InvalidArgument
  | OutOfRange
  | VolumeBusy
  | VolumeNotFound
  | VolumeNotAtPath
  | SourceNotFound
  | NodeNotFound
  | VolumeIncompatible
  | FailedPrecondition
  | InvalidToken
  | Unimplemented
  | AttachmentConflict
  | AttachmentIncompatible
  | AttachmentUnknown
  | AttachmentUnrecordable
  | HostAccessFailed
  | StoreUnavailable
  | NodeRegistryUnavailable
  | RdsError
  | NvmeError
  | MountError

/** The one place that decides which error is which code (CSI spec, error scheme and the error tables of each RPC). */
const codes: { readonly [Tag in DriverError["_tag"]]: StatusCode } = {
  InvalidArgument: "INVALID_ARGUMENT",
  OutOfRange: "OUT_OF_RANGE",
  VolumeBusy: "ABORTED",
  VolumeNotFound: "NOT_FOUND",
  VolumeNotAtPath: "NOT_FOUND",
  SourceNotFound: "NOT_FOUND",
  NodeNotFound: "NOT_FOUND",
  VolumeIncompatible: "ALREADY_EXISTS",
  FailedPrecondition: "FAILED_PRECONDITION",
  InvalidToken: "ABORTED",
  Unimplemented: "UNIMPLEMENTED",
  AttachmentConflict: "FAILED_PRECONDITION",
  AttachmentIncompatible: "ALREADY_EXISTS",
  AttachmentUnknown: "UNAVAILABLE",
  AttachmentUnrecordable: "FAILED_PRECONDITION",
  HostAccessFailed: "UNAVAILABLE",
  StoreUnavailable: "UNAVAILABLE",
  NodeRegistryUnavailable: "UNAVAILABLE",
  ApplianceUnavailable: "UNAVAILABLE",
  PoolNotReady: "UNAVAILABLE",
  PoolFull: "RESOURCE_EXHAUSTED",
  ApplianceUnsupported: "FAILED_PRECONDITION",
  ApplianceAuthFailed: "FAILED_PRECONDITION",
  ApplianceConflict: "FAILED_PRECONDITION",
  ApplianceRefused: "FAILED_PRECONDITION",
  SourceMissing: "NOT_FOUND",
  SourceTooLarge: "OUT_OF_RANGE",
  MadeOfOther: "ALREADY_EXISTS",
  SourceInUse: "FAILED_PRECONDITION",
  SnapshotsUnsupported: "FAILED_PRECONDITION",
  CopyRunning: "ABORTED",
  ConnectFailed: "UNAVAILABLE",
  ConnectedElsewhere: "FAILED_PRECONDITION",
  SubsystemNotOurs: "FAILED_PRECONDITION",
  DeviceMissing: "UNAVAILABLE",
  DisconnectFailed: "UNAVAILABLE",
  FabricUnreadable: "UNAVAILABLE",
  DeviceUnreadable: "UNAVAILABLE",
  ForeignContent: "FAILED_PRECONDITION",
  FilesystemDamaged: "FAILED_PRECONDITION",
  VolumeInUse: "FAILED_PRECONDITION",
  TargetOccupied: "FAILED_PRECONDITION",
  MountFailed: "UNAVAILABLE",
  MountTableUnreadable: "UNAVAILABLE",
  StorageExhausted: "RESOURCE_EXHAUSTED",
  StageRecordFailed: "UNAVAILABLE"
}

/** A gRPC status: code and message. Details stay empty, as the CSI spec demands. */
export interface Status {
  readonly code: StatusCode
  readonly message: string
}

/** Sidecars put the message into Kubernetes events, which hold 1 KiB. */
const maxMessageBytes = 1024

/** The status that answers `error`: one line, at most 1 KiB. */
export const toStatus = (error: DriverError): Status => ({
  code: codes[error._tag],
  message: printable(error.message, maxMessageBytes)
})
