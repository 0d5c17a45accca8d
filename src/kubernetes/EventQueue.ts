import { type Cause, DateTime, Effect, Fiber, Metric, Queue, Schedule } from "effect"
import { eventsDroppedTotal, eventsPostedTotal } from "../observability/Metrics.ts"
import type { KubeReadError, KubeWriteError } from "./Errors.ts"
import { makeEventDelivery } from "./EventDelivery.ts"
import type { EventSource, Notice, Subject } from "./EventPost.ts"

/** Where the notices of a queue go, and as whose. */
export interface EventQueueOptions<About extends string, E> {
  readonly source: EventSource
  /** The object to hang an event on, such as the claim of a volume, if there is one. */
  readonly subjectOf: (about: About) => Effect.Effect<Subject | undefined, E>
  /** Waits until objects can be found. */
  readonly start: Effect.Effect<void>
  /** Whether they can by now: at its end the process waits for what is left to be posted only then. */
  readonly isStarted: Effect.Effect<boolean>
}

interface Waiting<About> {
  readonly about: About
  readonly notice: Notice
}

/** Notices that wait to be posted. */
const queueLength = 256

/** For each notice: the API server is asked three times at most. */
const attempts = Schedule.upTo(Schedule.exponential("500 millis"), { times: 2 })

/** How long the process waits at its end for what is still to be posted. */
const farewell = "2 seconds"

/**
 * Posts notices in the background, as long as the scope is open: best effort, without making anybody wait. What is said again
 * within an hour is counted in the event that said it first.
 */
export const makeEventQueue = Effect.fnUntraced(function*<About extends string, E extends KubeReadError>(
  options: EventQueueOptions<About, E>
) {
  const deliver = yield* makeEventDelivery(options.source)
  const queue = yield* Queue.dropping<Waiting<About>, Cause.Done>(queueLength)

  const deliverAll = Effect.fnUntraced(function*(batch: ReadonlyArray<Waiting<About>>) {
    const at = yield* DateTime.now
    yield* Effect.forEach(tally(batch), ({ about, notice, times }) =>
      options.subjectOf(about).pipe(
        Effect.flatMap((subject) =>
          subject === undefined
            ? Effect.logDebug(`there is no object for an event about ${about}: ${notice.message}`)
            : Effect.andThen(deliver(subject, notice, { times, at }), posted(notice))
        ),
        Effect.retry({ schedule: attempts, while: mayPass }),
        Effect.catch((error) => dropped(mayPass(error) ? "unavailable" : "refused", error.message))
      ), { discard: true })
  })

  const worker = yield* Queue.takeAll(queue).pipe(
    Effect.flatMap(deliverAll),
    Effect.forever,
    Effect.ignore,
    (deliveries) => Effect.andThen(options.start, deliveries),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() =>
    Queue.end(queue).pipe(
      Effect.andThen(options.isStarted),
      Effect.flatMap((mayDeliver) => mayDeliver ? Effect.timeoutOption(Fiber.await(worker), farewell) : Effect.void)
    )
  )

  return Effect.fnUntraced(function*(about: About, notice: Notice) {
    if (yield* Queue.offer(queue, { about, notice })) return
    yield* dropped("queue_full", "too many are waiting")
  })
})

/** Equal notices as one, in the order in which each was given first. */
const tally = <About>(batch: ReadonlyArray<Waiting<About>>) =>
  [...Map.groupBy(batch, (waiting) => JSON.stringify(waiting)).values()].flatMap((same) =>
    same.slice(0, 1).map((first) => ({ ...first, times: same.length }))
  )

/** Whether trying again may help. */
const mayPass = ({ _tag }: KubeReadError | KubeWriteError) =>
  _tag === "KubeUnavailable" || _tag === "KubeOutcomeUnknown"

/** Counts an event that people can see now. */
export const posted = ({ reason }: Notice) => Metric.update(Metric.withAttributes(eventsPostedTotal, { reason }), 1)

const dropped = (cause: string, why: string) =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(eventsDroppedTotal, { cause }), 1),
    Effect.logDebug(`an event was given up: ${why}`)
  )
