import { Effect, Layer, Option, type Result, type Schema, Stream } from "effect"
import {
  KubeConflict,
  KubeNotFound,
  type KubeReadError,
  KubeRefused,
  type KubeUnavailable
} from "../../../src/kubernetes/Errors.ts"
import { KubeApi } from "../../../src/kubernetes/KubeApi.ts"
import type { KubeObject, ObjectRef, Resource } from "../../../src/kubernetes/Resource.ts"
import { type Kind, kinds } from "./Kinds.ts"
import type { ObjectStore, Refusal } from "./ObjectStore.ts"

const kindOf = (resource: Resource<KubeObject>): Kind =>
  Object.values(kinds).find(({ kind }) => kind === resource.kind) ?? kinds.node

const keyOf = (resource: Resource<KubeObject>, { name, namespace = "" }: ObjectRef) => ({
  kind: kindOf(resource),
  name,
  namespace
})

const parsed = <A extends KubeObject>(resource: Resource<A>, object: Schema.Json): Effect.Effect<A> =>
  Effect.orDie(Effect.fromResult(resource.parseObject(JSON.stringify(object))))

const refused = ({ code, message }: Refusal): KubeReadError | KubeConflict => {
  switch (code) {
    case 404:
      return new KubeNotFound({ message })
    case 409:
      return new KubeConflict({ message })
    default:
      return new KubeRefused({ message })
  }
}

/**
 * The API on objects in this process, without a server between: every call is answered at once, so it goes with a virtual
 * clock. It does not watch. `around` may spoil the calls.
 */
export const storeApi = (
  store: ObjectStore,
  around: <A, E>(call: Effect.Effect<A, E>) => Effect.Effect<A, E | KubeUnavailable> = (call) => call
) => {
  const answer = <A extends KubeObject>(resource: Resource<A>, ask: () => Result.Result<Schema.JsonObject, Refusal>) =>
    Effect.suspend(() => Effect.mapError(Effect.fromResult(ask()), refused)).pipe(
      Effect.flatMap((object) => parsed(resource, object)),
      around
    )
  return Layer.succeed(KubeApi, {
    namespace: Option.some("rds-csi"),
    get: (resource, ref) =>
      Effect.catchTag(answer(resource, () => store.get(keyOf(resource, ref))), "KubeConflict", Effect.die),
    list: (resource) =>
      around(Effect.map(
        Effect.forEach(store.list(kindOf(resource)), (object) => parsed(resource, object)),
        (items) => ({ items, resourceVersion: String(store.revision()) })
      )),
    watch: () => Stream.never,
    create: (resource, ref, fields) => answer(resource, () => store.create(keyOf(resource, ref), fields)),
    replace: (resource, ref, resourceVersion, fields) =>
      answer(resource, () => {
        const { apiVersion, kind } = resource
        return store.replace(keyOf(resource, ref), {
          apiVersion,
          kind,
          metadata: { ...ref, resourceVersion },
          ...fields
        })
      }),
    patch: (resource, ref, patch) => answer(resource, () => store.patch(keyOf(resource, ref), patch, false))
  })
}
