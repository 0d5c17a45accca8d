import { Duration, Effect, Layer, Random, type Result, type Scope, Stream } from "effect"
import { forEachInterleaved } from "../volume/Interleave.ts"
import { makeClusterAccess } from "./ClusterAccess.ts"
import { KubeGone, KubeOutcomeUnknown, type KubeReadError, KubeUnavailable } from "./Errors.ts"
import { readFailure, writeFailure } from "./Failures.ts"
import { type JsonObject, KubeApi, type Listing, type ListScope } from "./KubeApi.ts"
import { type Call, type KubeCalls, makeKubeCalls, titleOf } from "./KubeCalls.ts"
import type { ClusterSource } from "./Kubeconfig.ts"
import { collectionPath, type KubeObject, type ObjectRef, type Resource, type WatchEvent } from "./Resource.ts"

export interface KubeApiConfig {
  /** For one object, read or written; also for the beginning of a watch. */
  readonly callTimeout: Duration.Input
  /** For one page of a list. */
  readonly pageTimeout: Duration.Input
  /** Objects in a page. */
  readonly pageSize: number
  /** A watch is to end by itself after one to two times this, so that no connection lives for ever. */
  readonly watchLifetime: Duration.Input
  /** A watch that says nothing for so long is taken for dead. API servers send a bookmark about once a minute. */
  readonly watchSilence: Duration.Input
}

export const defaultKubeApiConfig: KubeApiConfig = {
  callTimeout: "5 seconds",
  pageTimeout: "15 seconds",
  pageSize: 100,
  watchLifetime: "5 minutes",
  watchSilence: "2 minutes"
}

/**
 * The API server that the source names. Fails with `KubeConfigInvalid` when the source can never work; that the API server
 * is away is no failure.
 */
export const kubeApiLayer = (source: ClusterSource, config: KubeApiConfig = defaultKubeApiConfig) =>
  Layer.effect(
    KubeApi,
    Effect.map(makeClusterAccess(source), (access) => {
      const calls = makeKubeCalls(access)
      return KubeApi.of({
        namespace: access.namespace,
        ...objects(calls, config),
        list: list(calls, config),
        watch: watch(calls, config)
      })
    })
  )

/** The verbs for one object. */
const objects = (calls: KubeCalls, { callTimeout }: KubeApiConfig) => {
  const write = Effect.fnUntraced(function*<A extends KubeObject>(resource: Resource<A>, call: Call) {
    const reply = yield* calls.write(call, callTimeout)
    if (reply.status !== 200 && reply.status !== 201) return yield* writeFailure(titleOf(call), reply)
    return yield* understood(call, resource.parseObject(reply.text), (message) => new KubeOutcomeUnknown({ message }))
  })
  return {
    get: Effect.fnUntraced(function*<A extends KubeObject>(resource: Resource<A>, ref: ObjectRef) {
      const call = callOf("get", resource, ref)
      const reply = yield* calls.read(call, callTimeout)
      if (reply.status !== 200) return yield* readFailure(titleOf(call), reply)
      return yield* understood(call, resource.parseObject(reply.text), unavailable)
    }),
    create: <A extends KubeObject>(resource: Resource<A>, ref: ObjectRef, fields: JsonObject) =>
      write(resource, {
        ...callOf("create", resource, ref),
        path: collectionPath(resource, ref.namespace),
        body: objectBody(resource, { ...ref }, fields)
      }),
    replace: <A extends KubeObject>(
      resource: Resource<A>,
      ref: ObjectRef,
      resourceVersion: string,
      fields: JsonObject
    ) =>
      write(resource, {
        ...callOf("replace", resource, ref),
        body: objectBody(resource, { ...ref, resourceVersion }, fields)
      }),
    patch: <A extends KubeObject>(resource: Resource<A>, ref: ObjectRef, patch: JsonObject) =>
      write(resource, {
        ...callOf("patch", resource, ref),
        body: { contentType: "application/merge-patch+json", text: JSON.stringify(patch) }
      })
  }
}

/** Page by page. When the snapshot that the pages are read from is gone before the last one, everything in one page. */
const list = (calls: KubeCalls, { pageSize, pageTimeout }: KubeApiConfig) => {
  const page = Effect.fnUntraced(function*<A extends KubeObject>(
    resource: Resource<A>,
    { fieldSelector, namespace }: ListScope,
    query: Readonly<Record<string, string>>
  ) {
    const call: Call = {
      verb: "list",
      kind: resource.kind,
      name: "",
      path: collectionPath(resource, namespace),
      query: { ...query, ...(fieldSelector === undefined ? {} : { fieldSelector }) }
    }
    const reply = yield* calls.read(call, pageTimeout)
    if (reply.status !== 200) return yield* readFailure(titleOf(call), reply)
    const { items, ...rest } = yield* understood(call, resource.parsePage(reply.text), unavailable)
    const read = yield* forEachInterleaved(items, (item) => understood(call, resource.readItem(item), unavailable))
    return { ...rest, items: read }
  })

  const pages = Effect.fnUntraced(function*<A extends KubeObject>(
    resource: Resource<A>,
    scope: ListScope
  ): Effect.fn.Return<Listing<A>, KubeReadError> {
    const limit = String(pageSize)
    const first = yield* page(resource, scope, { limit })
    const items = [...first.items]
    let next = first.next
    while (next !== undefined) {
      const more = yield* page(resource, scope, { limit, continue: next })
      items.push(...more.items)
      next = more.next
    }
    return { items, resourceVersion: first.resourceVersion }
  })

  return <A extends KubeObject>(
    resource: Resource<A>,
    scope: ListScope = {}
  ): Effect.Effect<Listing<A>, KubeReadError> =>
    Effect.catchTag(pages(resource, scope), "KubeGone", () => page(resource, scope, {}))
}

const watch = (calls: KubeCalls, { callTimeout, watchLifetime, watchSilence }: KubeApiConfig) => {
  const open = Effect.fnUntraced(function*<A extends KubeObject>(
    resource: Resource<A>,
    resourceVersion: string
  ): Effect.fn.Return<Stream.Stream<WatchEvent<A>, KubeReadError>, KubeReadError, Scope.Scope> {
    const lifetime = Math.ceil(Duration.toSeconds(watchLifetime))
    const call: Call = {
      verb: "watch",
      kind: resource.kind,
      name: "",
      path: collectionPath(resource),
      query: {
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion,
        timeoutSeconds: String(yield* Random.nextIntBetween(lifetime, 2 * lifetime))
      }
    }
    const { body, status } = yield* calls.stream(call, callTimeout, watchSilence)
    if (status !== 200) {
      return yield* readFailure(titleOf(call), { status, text: yield* Stream.mkString(body) })
    }
    return body.pipe(
      Stream.splitLines,
      Stream.filter((line) => line !== ""),
      Stream.mapEffect((line) => understood(call, resource.parseWatchLine(line), unavailable)),
      Stream.mapEffect((event) => {
        if (event._tag !== "Failure") return Effect.succeed(event)
        const message = `${titleOf(call)}: the API server ended it with ${event.code}: ${event.message}`
        return Effect.fail(event.code === 410 ? new KubeGone({ message }) : new KubeUnavailable({ message }))
      })
    )
  })
  return <A extends KubeObject>(resource: Resource<A>, resourceVersion: string) =>
    Stream.unwrap(open(resource, resourceVersion))
}

const callOf = (verb: Call["verb"], resource: Resource<KubeObject>, { name, namespace }: ObjectRef): Call => ({
  verb,
  kind: resource.kind,
  name,
  path: `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`
})

const objectBody = ({ apiVersion, kind }: Resource<KubeObject>, metadata: JsonObject, fields: JsonObject) => ({
  contentType: "application/json",
  text: JSON.stringify({ apiVersion, kind, metadata, ...fields })
})

const understood = <A, E>(call: Call, parsed: Result.Result<A, string>, failure: (message: string) => E) =>
  Effect.mapError(
    Effect.fromResult(parsed),
    (reason) => failure(`${titleOf(call)}: the answer of the API server is not what it should be: ${reason}`)
  )

const unavailable = (message: string) => new KubeUnavailable({ message })
