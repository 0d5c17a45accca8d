import { Schema } from "effect"

/** The volume is attached to a node other than the one that asks. Maps to `FAILED_PRECONDITION`. */
export class AttachmentConflict extends Schema.TaggedError<AttachmentConflict>()("AttachmentConflict", {
  message: Schema.String
}) {}

/** The volume is attached to this node with another access mode or readonly flag. Maps to `ALREADY_EXISTS`. */
export class AttachmentIncompatible extends Schema.TaggedError<AttachmentIncompatible>()("AttachmentIncompatible", {
  message: Schema.String
}) {}

/** There is nowhere to record who uses the volume, so nobody may. Maps to `FAILED_PRECONDITION`. */
export class AttachmentUnrecordable extends Schema.TaggedError<AttachmentUnrecordable>()("AttachmentUnrecordable", {
  message: Schema.String
}) {}

/** The driver does not know yet, or not for certain, who uses the volume. Maps to `UNAVAILABLE`: try again. */
export class AttachmentUnknown extends Schema.TaggedError<AttachmentUnknown>()("AttachmentUnknown", {
  message: Schema.String
}) {}

/**
 * The record of attachments cannot be read or written now; nothing was changed. Maps to `UNAVAILABLE`. `message` says what
 * failed, without addresses or secrets.
 */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  message: Schema.String
}) {}

/** Somebody else wrote the record first: read it again, then decide. Nothing was written. */
export class StoreConflict extends Schema.TaggedError<StoreConflict>()("StoreConflict", {}) {}

/** The answer to a write was lost: read the record again, then decide. */
export class StoreOutcomeUnknown extends Schema.TaggedError<StoreOutcomeUnknown>()("StoreOutcomeUnknown", {
  message: Schema.String
}) {}

/** An event could not be delivered; it will be tried again. */
export class EventsUnavailable extends Schema.TaggedError<EventsUnavailable>()("EventsUnavailable", {
  message: Schema.String
}) {}

/**
 * The appliance did not take who may connect to the volume; the record of attachments may be written already. Maps to
 * `UNAVAILABLE`: try again.
 */
export class HostAccessFailed extends Schema.TaggedError<HostAccessFailed>()("HostAccessFailed", {
  message: Schema.String
}) {}
