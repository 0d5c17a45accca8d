import { Schema } from "effect"

/**
 * The appliance cannot answer now. May be retried as it is: every script is idempotent.
 * - unreachable: no connection, nothing was sent;   circuit-open: the same, known without trying
 * - lost: the connection broke under a command;     timeout: a command took too long. Both leave its outcome unknown
 */
export class ApplianceUnavailable extends Schema.TaggedError<ApplianceUnavailable>()("ApplianceUnavailable", {
  reason: Schema.Literals(["unreachable", "circuit-open", "lost", "timeout"]),
  message: Schema.String
}) {}

/** The appliance can never do this as it is: RouterOS too old, or the storage package is missing. */
export class ApplianceUnsupported extends Schema.TaggedError<ApplianceUnsupported>()("ApplianceUnsupported", {
  message: Schema.String
}) {}

/** The appliance does not accept our key, is not the appliance we pinned, or the user lacks a policy. */
export class ApplianceAuthFailed extends Schema.TaggedError<ApplianceAuthFailed>()("ApplianceAuthFailed", {
  message: Schema.String
}) {}

/** The pool behind a path is not mounted, or its array is not clean. */
export class PoolNotReady extends Schema.TaggedError<PoolNotReady>()("PoolNotReady", { message: Schema.String }) {}

/** The pool has less free space than the volume and the reserve need. */
export class PoolFull extends Schema.TaggedError<PoolFull>()("PoolFull", { message: Schema.String }) {}

/** A slot, NQN or file that the operation needs belongs to something that is not ours; it was left alone. */
export class ApplianceConflict extends Schema.TaggedError<ApplianceConflict>()("ApplianceConflict", {
  message: Schema.String
}) {}

/** RouterOS refused the operation at run time; the state was read again and is unchanged. */
export class ApplianceRefused extends Schema.TaggedError<ApplianceRefused>()("ApplianceRefused", {
  message: Schema.String
}) {}

/** What a snapshot or volume is to be made of is not there. */
export class SourceMissing extends Schema.TaggedError<SourceMissing>()("SourceMissing", { message: Schema.String }) {}

/** What a volume is to be made of does not fit into the size that is asked for. */
export class SourceTooLarge extends Schema.TaggedError<SourceTooLarge>()("SourceTooLarge", {
  message: Schema.String
}) {}

/** The name belongs to a snapshot or volume that is made of something else. */
export class MadeOfOther extends Schema.TaggedError<MadeOfOther>()("MadeOfOther", { message: Schema.String }) {}

/** What has to be copied is in use, and a copy of something that is being written would be of no moment in time. */
export class SourceInUse extends Schema.TaggedError<SourceInUse>()("SourceInUse", { message: Schema.String }) {}

/** Snapshots and clones are not to be had where the volume lies; the message says what helps. */
export class SnapshotsUnsupported extends Schema.TaggedError<SnapshotsUnsupported>()("SnapshotsUnsupported", {
  message: Schema.String
}) {}

/** A copy runs on the appliance; what needs its end, or the volume that it reads, has to be asked for again. */
export class CopyRunning extends Schema.TaggedError<CopyRunning>()("CopyRunning", { message: Schema.String }) {}

/** Everything that an operation on the appliance can fail with; each `message` is fit for a gRPC status. */
export type RdsError =
  | ApplianceUnavailable
  | ApplianceUnsupported
  | ApplianceAuthFailed
  | PoolNotReady
  | PoolFull
  | ApplianceConflict
  | ApplianceRefused
  | SourceMissing
  | SourceTooLarge
  | MadeOfOther
  | SourceInUse
  | SnapshotsUnsupported
  | CopyRunning

/**
 * RouterOS stopped a script with a run-time error, in its own words; earlier statements have run. It never leaves this
 * directory: whoever ran the script reads the state again and says what it means.
 */
export class ScriptFailed extends Schema.TaggedError<ScriptFailed>()("ScriptFailed", { text: Schema.String }) {
  override get message(): string {
    return `RouterOS answered: ${this.text}`
  }
}
