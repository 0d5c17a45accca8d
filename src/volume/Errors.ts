import { Schema } from "effect"

/**
 * A field of a request, a StorageClass parameter or a setting that can never work as given (gRPC INVALID_ARGUMENT).
 * `message` names the field, the value and what is allowed.
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  field: Schema.String,
  message: Schema.String
}) {}

/** A capacity that this driver cannot deliver (gRPC OUT_OF_RANGE). `message` names the bytes asked for and the bounds. */
export class OutOfRange extends Schema.TaggedError<OutOfRange>()("OutOfRange", {
  message: Schema.String
}) {}
