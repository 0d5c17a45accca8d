import { Schema } from "effect"

/** The volume is attached to a node other than the one that asks. Maps to `FAILED_PRECONDITION`. */
export class AttachmentConflict extends Schema.TaggedError<AttachmentConflict>()("AttachmentConflict", {
  message: Schema.String
}) {}

/** The volume is attached to this node with another access mode or readonly flag. Maps to `ALREADY_EXISTS`. */
export class AttachmentIncompatible extends Schema.TaggedError<AttachmentIncompatible>()("AttachmentIncompatible", {
  message: Schema.String
}) {}
