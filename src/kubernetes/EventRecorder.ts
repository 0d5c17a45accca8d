import { type Cause, Context, DateTime, Effect, Fiber, Layer, Metric, Queue, Schedule } from "effect"
import { eventsDroppedTotal, eventsPostedTotal } from "../observability/Metrics.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { ClusterView } from "./ClusterView.ts"
import type { KubeWriteError } from "./Errors.ts"
import { makeEventDelivery } from "./EventDelivery.ts"
import { claimOf, eventFields, eventName, type Notice } from "./EventPost.ts"
import { KubeApi } from "./KubeApi.ts"
import { events } from "./Resources.ts"
import { makeVolumeLookup } from "./VolumeLookup.ts"

/** Posts Kubernetes Events on the claims of volumes. */
export class EventRecorder extends Context.Service<EventRecorder, {
  /** Best effort, without waiting for anything. What is said again within an hour is counted in the event that said it first. */
  post(volumeId: VolumeId, notice: Notice): Effect.Effect<void>
  /**
   * Succeeds once the event is there, or it is certain that there is nobody to tell: no claim, or no namespace any more. For
   * the same volume and `key` it is posted once, however often and by however many processes this is called.
   */
  postOnce(volumeId: VolumeId, key: string, notice: Notice): Effect.Effect<void, KubeWriteError>
}>()("rds-csi/kubernetes/EventRecorder") {
  static readonly layer = Layer.effect(EventRecorder, Effect.suspend(() => make))
}

interface Waiting {
  readonly volumeId: VolumeId
  readonly notice: Notice
}

/** Notices that wait to be posted. */
const queueLength = 256

/** For each notice: the API server is asked three times at most. */
const attempts = Schedule.upTo(Schedule.exponential("500 millis"), { times: 2 })

/** How long the process waits at its end for what is still to be posted. */
const farewell = "2 seconds"

const make = Effect.gen(function*() {
  const { volumes } = yield* ClusterView
  const lookup = yield* makeVolumeLookup
  const api = yield* KubeApi
  const deliver = yield* makeEventDelivery
  const queue = yield* Queue.dropping<Waiting, Cause.Done>(queueLength)

  const deliverAll = Effect.fnUntraced(function*(batch: ReadonlyArray<Waiting>) {
    const at = yield* DateTime.now
    yield* Effect.forEach(tally(batch), ({ notice, times, volumeId }) => {
      const claim = claimOf(lookup.known(volumeId))
      if (claim === undefined) return Effect.logDebug(`no claim of volume ${volumeId} for an event: ${notice.message}`)
      return deliver(claim, notice, { times, at }).pipe(
        Effect.retry({ schedule: attempts, while: mayPass }),
        Effect.andThen(posted(notice)),
        Effect.catch((error) => dropped(mayPass(error) ? "unavailable" : "refused", error.message))
      )
    }, { discard: true })
  })

  const worker = yield* Queue.takeAll(queue).pipe(
    Effect.flatMap(deliverAll),
    Effect.forever,
    Effect.ignore,
    (deliveries) => Effect.andThen(volumes.synced, deliveries),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() =>
    Queue.end(queue).pipe(
      Effect.andThen(volumes.isSynced),
      Effect.flatMap((mayDeliver) => mayDeliver ? Effect.timeoutOption(Fiber.await(worker), farewell) : Effect.void)
    )
  )

  return EventRecorder.of({
    post: Effect.fnUntraced(function*(volumeId, notice) {
      if (yield* Queue.offer(queue, { volumeId, notice })) return
      yield* dropped("queue_full", "too many are waiting")
    }),
    postOnce: Effect.fnUntraced(function*(volumeId, key, notice) {
      const claim = claimOf(yield* lookup.peek(volumeId))
      if (claim === undefined) return
      const ref = { name: eventName(volumeId, key), namespace: claim.namespace }
      yield* api.create(events, ref, eventFields(claim, notice, { times: 1, at: yield* DateTime.now })).pipe(
        Effect.andThen(posted(notice)),
        Effect.catchTags({
          KubeConflict: () => Effect.void,
          KubeNotFound: () => Effect.void,
          KubeForbidden: (error) => isEnding(error.message) ? Effect.void : Effect.fail(error)
        })
      )
    })
  })
})

/** Equal notices as one, in the order in which each was given first. */
const tally = (batch: ReadonlyArray<Waiting>) =>
  [...Map.groupBy(batch, (waiting) => JSON.stringify(waiting)).values()].flatMap((same) =>
    same.slice(0, 1).map((first) => ({ ...first, times: same.length }))
  )

/** Whether trying again may help. */
const mayPass = ({ _tag }: KubeWriteError) => _tag === "KubeUnavailable" || _tag === "KubeOutcomeUnknown"

/** What the API server says when an event comes too late (NamespaceLifecycle admission). */
const isEnding = (message: string) => message.includes("because it is being terminated")

const posted = ({ reason }: Notice) => Metric.update(Metric.withAttributes(eventsPostedTotal, { reason }), 1)

const dropped = (cause: string, why: string) =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(eventsDroppedTotal, { cause }), 1),
    Effect.logDebug(`an event was given up: ${why}`)
  )
