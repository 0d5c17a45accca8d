import { Schema } from "effect"

// What a call of the Kubernetes API can fail with. Each `message` names the verb, the object and the API server's reason; it
// holds no address and no credential.

/** The object does not exist (404). */
export class KubeNotFound extends Schema.TaggedError<KubeNotFound>()("KubeNotFound", { message: Schema.String }) {}

/**
 * The object is not as the caller believed: its resourceVersion moved on, or what was to be created is there (409).
 * Nothing was written.
 */
export class KubeConflict extends Schema.TaggedError<KubeConflict>()("KubeConflict", { message: Schema.String }) {}

/** The resourceVersion or continue token is too old: everything has to be listed again (410). */
export class KubeGone extends Schema.TaggedError<KubeGone>()("KubeGone", { message: Schema.String }) {}

/** The credentials are not accepted, or RBAC does not allow the call (401, 403). Nothing was written. */
export class KubeForbidden extends Schema.TaggedError<KubeForbidden>()("KubeForbidden", { message: Schema.String }) {}

/** The API server refuses the call as it is (400, 413, 422, …). Nothing was written. */
export class KubeRefused extends Schema.TaggedError<KubeRefused>()("KubeRefused", { message: Schema.String }) {}

/** The API server cannot answer now, or cannot be reached. Nothing was written; may be tried again. */
export class KubeUnavailable
  extends Schema.TaggedError<KubeUnavailable>()("KubeUnavailable", { message: Schema.String })
{}

/** The answer to a mutation was lost, or the API server does not know either (5xx): it was written, or it was not. */
export class KubeOutcomeUnknown
  extends Schema.TaggedError<KubeOutcomeUnknown>()("KubeOutcomeUnknown", { message: Schema.String })
{}

/** What a call that only reads can fail with. */
export type KubeReadError = KubeNotFound | KubeGone | KubeForbidden | KubeRefused | KubeUnavailable

/** What a call that changes something can fail with. */
export type KubeWriteError = KubeReadError | KubeConflict | KubeOutcomeUnknown

/**
 * The cluster's address or credentials cannot be made out: no such kubeconfig, not a kubeconfig, no cluster to run in.
 * Trying again does not help.
 */
export class KubeConfigInvalid
  extends Schema.TaggedError<KubeConfigInvalid>()("KubeConfigInvalid", { message: Schema.String })
{}
