import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { AccessMode } from "../volume/AccessMode.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { AttachmentState } from "./AttachmentState.ts"
import type { StoreConflict, StoreOutcomeUnknown, StoreUnavailable } from "./Errors.ts"

const storeVersion = Schema.String.pipe(Schema.brand("StoreVersion"))

/** Which write of a record was read. Compared only by the store that made it. */
export type StoreVersion = typeof storeVersion.Type
export const StoreVersion = storeVersion

/**
 * What is recorded of a volume:
 *
 * - `Unrecorded`: nothing was ever written. Whoever attached the volume before this driver did leaves no other trace.
 * - `Recorded`: the state.
 * - `Unreadable`: something that is no state, with the reason, as after an edit by hand. It never counts as empty.
 */
export type AttachmentRecord =
  | { readonly _tag: "Unrecorded"; readonly version: StoreVersion }
  | { readonly _tag: "Recorded"; readonly version: StoreVersion; readonly state: AttachmentState }
  | { readonly _tag: "Unreadable"; readonly version: StoreVersion; readonly reason: string }

/** A record with the volume it belongs to. */
export interface ListedRecord {
  readonly volumeId: VolumeId
  readonly record: AttachmentRecord
}

/** What the orchestrator itself remembers of an attachment that it wants, has, or is about to end. */
export interface ObservedAttachment {
  readonly volumeId: VolumeId
  readonly nodeId: string
  /** The driver is known to have granted it. Without that it is asked for: not answered yet, or refused so far. */
  readonly attached: boolean
  /** It is being ended: the driver was told to release the node, or soon will be. */
  readonly deleting: boolean
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** What the orchestrator would ask for, as far as it can be known. */
  readonly accessMode: AccessMode
  readonly readonly: boolean
  readonly migrationTimeoutSeconds: number
}

/** What happened outside: a record was written (by anyone), a node went away or stopped answering, or much may have been missed. */
export type Change =
  | { readonly _tag: "Record"; readonly volumeId: VolumeId }
  | { readonly _tag: "Node"; readonly nodeId: string }
  | { readonly _tag: "Relisted" }

/**
 * The durable, compare-and-set record of who may use a volume, shared by all replicas of the controller, and the
 * orchestrator's own view of attachments and nodes. Every method ends within a time limit of its own.
 */
export class AttachmentStore extends Context.Service<AttachmentStore, {
  /**
   * The record as last heard of: without I/O if possible, and maybe behind. Good enough to base a `write` on, which fails
   * when it was behind, and to show. None: no record can be kept for such a volume.
   */
  peek(volumeId: VolumeId): Effect.Effect<Option.Option<AttachmentRecord>, StoreUnavailable>
  /** The record as it is now: everything written before the call is seen. */
  read(volumeId: VolumeId): Effect.Effect<Option.Option<AttachmentRecord>, StoreUnavailable>
  /**
   * Replaces the record if nobody has written since `expected` was read, and answers the new version, which differs from
   * every earlier one. StoreUnavailable means that nothing was and nothing will be written; after StoreOutcomeUnknown it may
   * have been, or may be later, as long as no other write comes first.
   */
  write(
    volumeId: VolumeId,
    expected: StoreVersion,
    state: AttachmentState
  ): Effect.Effect<StoreVersion, StoreConflict | StoreOutcomeUnknown | StoreUnavailable>
  /**
   * Every volume that has a record, `Unreadable` ones included, and every other one that the orchestrator has attachments of;
   * complete, or an error. Like `peek`, it may be behind.
   */
  readonly list: Effect.Effect<ReadonlyArray<ListedRecord>, StoreUnavailable>
  /** Every attachment the orchestrator knows of, as it is now (never from a cache that may be behind); complete, or an error. */
  readonly attachments: Effect.Effect<ReadonlyArray<ObservedAttachment>, StoreUnavailable>
  /** Those of one volume, as last heard of, without I/O if possible. */
  attachmentsOf(volumeId: VolumeId): Effect.Effect<ReadonlyArray<ObservedAttachment>, StoreUnavailable>
  /** Whether the orchestrator knows the node, as it is now. */
  nodeExists(nodeId: string): Effect.Effect<boolean, StoreUnavailable>
  /** Changes from now on. After a gap, `Relisted` stands for everything that was missed. Never ends. */
  readonly changes: Stream.Stream<Change>
}>()("rds-csi/attachment/AttachmentStore") {}
