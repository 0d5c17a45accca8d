import { Context, type Effect, type Option, type Schema, type Stream } from "effect"
import type { KubeReadError, KubeWriteError } from "./Errors.ts"
import type { KubeObject, ObjectRef, Resource, WatchEvent } from "./Resource.ts"

/** All objects of a collection as they were at one instant. */
export interface Listing<A> {
  readonly items: ReadonlyArray<A>
  /** Where a watch that misses nothing begins. */
  readonly resourceVersion: string
}

/** What a listing is limited to. */
export interface ListScope {
  readonly namespace?: string
  /** E.g. `spec.nodeName=worker-1`; each kind supports its own few fields. */
  readonly fieldSelector?: string
}

/** JSON that goes to the API server. */
export type JsonObject = Schema.JsonObject

/**
 * The few verbs of the Kubernetes API that the driver needs (Kubernetes API concepts). Each call has a time limit, and each
 * answer holds the fields of its {@link Resource} only.
 */
export class KubeApi extends Context.Service<KubeApi, {
  /** The namespace that the process runs in, or that the kubeconfig's context names. */
  readonly namespace: Option.Option<string>
  /** The object as it is now: a quorum read, never a cached answer. */
  readonly get: <A extends KubeObject>(resource: Resource<A>, ref: ObjectRef) => Effect.Effect<A, KubeReadError>
  /** All objects now, read page by page from one snapshot. */
  readonly list: <A extends KubeObject>(
    resource: Resource<A>,
    scope?: ListScope
  ) => Effect.Effect<Listing<A>, KubeReadError>
  /**
   * What happens in the whole collection after `resourceVersion`. Ends when the API server ends it, as it does every few
   * minutes; fails with {@link KubeGone} when the version is too old, and when nothing was heard for too long.
   */
  readonly watch: <A extends KubeObject>(
    resource: Resource<A>,
    resourceVersion: string
  ) => Stream.Stream<WatchEvent<A>, KubeReadError>
  /** `fields` are those of the object, without what names it. `KubeConflict` when it exists. */
  readonly create: <A extends KubeObject>(
    resource: Resource<A>,
    ref: ObjectRef,
    fields: JsonObject
  ) => Effect.Effect<A, KubeWriteError>
  /**
   * JSON merge patch (RFC 7386): `null` removes a key. With `metadata.resourceVersion` in the patch it is a
   * compare-and-set: `KubeConflict` when the object has another version.
   */
  readonly patch: <A extends KubeObject>(
    resource: Resource<A>,
    ref: ObjectRef,
    patch: JsonObject
  ) => Effect.Effect<A, KubeWriteError>
  /** Puts `fields` in the place of those that the object has; `KubeConflict` when it has another version. */
  readonly replace: <A extends KubeObject>(
    resource: Resource<A>,
    ref: ObjectRef,
    resourceVersion: string,
    fields: JsonObject
  ) => Effect.Effect<A, KubeWriteError>
}>()("rds-csi/kubernetes/KubeApi") {}
