import { Clock, Deferred, Effect, Metric, Option, Ref, Result, Schedule, Stream } from "effect"
import { kubeRelistsTotal, kubeWatchLastContact, kubeWatchObjects } from "../observability/Metrics.ts"
import type { CacheChange } from "./ChangeLog.ts"
import { type KubeReadError, KubeUnavailable } from "./Errors.ts"
import { KubeApi } from "./KubeApi.ts"
import { makeMirror } from "./Mirror.ts"
import type { ObjectTable } from "./ObjectTable.ts"
import type { KubeObject, Resource, WatchEvent } from "./Resource.ts"

/** All objects of a kind that concern the driver, as last heard of. */
export interface WatchCache<A extends KubeObject> {
  readonly objects: Pick<ObjectTable<A>, "get" | "having" | "values">
  /** Waits until the objects have been listed once. */
  readonly synced: Effect.Effect<void>
  readonly isSynced: Effect.Effect<boolean>
  /** Takes in an object that a call answered, before the watch tells of it. */
  readonly learn: (object: A) => Effect.Effect<void>
  /** Changes from now on. Never ends; for a reader that cannot keep up, the oldest ones become one `Relisted`. */
  readonly changes: Stream.Stream<CacheChange<A>>
}

export interface WatchCacheOptions<A extends KubeObject> {
  readonly resource: Resource<A>
  /** The objects that concern the driver; the others are not kept. */
  readonly concerns?: (object: A) => boolean
  /** Texts to find an object by, beside its name. */
  readonly keysOf?: (object: A) => ReadonlyArray<string>
}

/** Pauses after failures: 250 ms, doubled each time with jitter, 30 s at most. */
const backoff = Schedule.min([
  Schedule.exponential("250 millis").pipe(Schedule.jittered),
  Schedule.spaced("30 seconds")
])

/** A watch that was open for so long has worked, even if nothing happened. */
const shortestWatchMillis = 1000

/** Failures in a row after which the place in the history is given up: it may not exist, as in a cluster restored from a backup. */
const maxFailures = 5

/**
 * Lists the objects, then follows their changes for as long as the scope is open: the watch is taken up again where it
 * broke off. Everything is listed again only when the API server no longer knows that place (410), or never answers to it.
 */
export const makeWatchCache = Effect.fnUntraced(function*<A extends KubeObject>(
  { concerns = () => true, keysOf = () => [], resource }: WatchCacheOptions<A>
) {
  const api = yield* KubeApi
  const mirror = yield* makeMirror({ concerns, keysOf })
  const heard = reportContact(resource.kind, mirror.objects.size)
  const firstList = yield* Deferred.make<void>()
  const position = yield* Ref.make(Option.none<string>())
  const failures = yield* Ref.make(0)

  const relist = Effect.gen(function*() {
    const { items, resourceVersion } = yield* api.list(resource)
    yield* mirror.replace(items)
    yield* Ref.set(position, Option.some(resourceVersion))
    yield* heard
    yield* Metric.update(Metric.withAttributes(kubeRelistsTotal, { kind: resource.kind }), 1)
    yield* Deferred.succeed(firstList, undefined)
    return resourceVersion
  })

  const take = Effect.fnUntraced(function*(event: WatchEvent<A>) {
    if (event._tag === "Put") yield* mirror.put(event.object)
    if (event._tag === "Removed") yield* mirror.remove(event.object.metadata.name)
    yield* Ref.set(position, Option.some(event.resourceVersion))
    yield* heard
  })

  /** From one failure to the next. Succeeds if it came to something, so that the next pause is the shortest again. */
  const session = Effect.gen(function*() {
    const from = yield* Option.match(yield* Ref.get(position), { onNone: () => relist, onSome: Effect.succeed })
    const since = yield* Clock.currentTimeMillis
    const heardOf = yield* Ref.make(false)
    const ended = yield* api.watch(resource, from).pipe(
      Stream.runForEach((event) => Effect.andThen(Ref.set(heardOf, true), take(event))),
      Effect.result
    )
    if (Result.isFailure(ended) && ended.failure._tag === "KubeGone") yield* Ref.set(position, Option.none())
    if (yield* Ref.get(heardOf)) return
    if (Result.isFailure(ended)) return yield* ended.failure
    if ((yield* Clock.currentTimeMillis) - since >= shortestWatchMillis) return
    return yield* new KubeUnavailable({ message: `watch ${resource.kind}: the API server ended it at once` })
  })
  const countFailure = Effect.gen(function*() {
    if ((yield* Ref.updateAndGet(failures, (count) => count + 1)) % maxFailures === 0) {
      yield* Ref.set(position, Option.none())
    }
  })
  const report = makeReport(resource.kind)
  yield* session.pipe(
    Effect.tapError((error) => Effect.andThen(report.failed(error), countFailure)),
    Effect.retry(backoff),
    Effect.tap(() => Effect.andThen(report.worked, Ref.set(failures, 0))),
    Effect.repeat(Schedule.spaced("50 millis")),
    Effect.forkScoped
  )

  return {
    objects: mirror.objects,
    synced: Deferred.await(firstList),
    isSynced: Deferred.isDone(firstList),
    learn: (object) =>
      mirror.objects.get(object.metadata.name)?.metadata.uid === object.metadata.uid ? mirror.put(object) : Effect.void,
    changes: mirror.changes
  } satisfies WatchCache<A>
})

const reportContact = (kind: string, size: () => number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.andThen(
      Metric.update(Metric.withAttributes(kubeWatchLastContact, { kind }), now / 1000),
      Metric.update(Metric.withAttributes(kubeWatchObjects, { kind }), size())
    ))

/** One line for each new reason: an API server that is away fails every few seconds. */
const makeReport = (kind: string) => {
  let last = ""
  return {
    failed: ({ message }: KubeReadError) =>
      Effect.suspend(() => {
        const log = message === last ? Effect.logDebug : Effect.logWarning
        last = message
        return log("the Kubernetes API cannot be watched").pipe(Effect.annotateLogs({ kind, reason: message }))
      }),
    worked: Effect.sync(() => {
      last = ""
    })
  }
}
