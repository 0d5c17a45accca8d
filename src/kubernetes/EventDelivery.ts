import { DateTime, Effect } from "effect"
import { eventFields, eventName, type EventSource, eventTime, type Notice, type Subject } from "./EventPost.ts"
import { KubeApi } from "./KubeApi.ts"
import { events } from "./Resources.ts"

/** Events that are remembered, to count in them what is said again. API servers keep an event for an hour. */
const memoryLength = 512

interface Posted {
  readonly name: string
  readonly count: number
}

/** How often a notice was given since the last delivery, and when. */
export interface Occurrence {
  readonly times: number
  readonly at: DateTime.Utc
}

/**
 * Puts notices on objects: the first of a kind as a new event, the others as its count. To deliver the same occurrence again,
 * after an answer was lost, changes nothing.
 */
export const makeEventDelivery = Effect.fnUntraced(function*(source: EventSource) {
  const api = yield* KubeApi
  const posted = new Map<string, Posted>()

  const remember = (key: string, event: Posted) =>
    Effect.sync(() => {
      posted.delete(key)
      posted.set(key, event)
      if (posted.size > memoryLength) { for (const [oldest] of [...posted].slice(0, 1)) posted.delete(oldest) }
    })

  const createNew = (key: string, subject: Subject, notice: Notice, { at, times }: Occurrence) => {
    const name = eventName(key, DateTime.toEpochMillis(at))
    return api.create(
      events,
      { name, namespace: subject.namespace },
      eventFields(subject, notice, source, { times, at })
    )
      .pipe(
        Effect.catchTag("KubeConflict", () => Effect.void),
        Effect.andThen(remember(key, { name, count: times }))
      )
  }

  return Effect.fnUntraced(function*(subject: Subject, notice: Notice, occurrence: Occurrence) {
    const key = eventName(
      subject.namespace,
      subject.name,
      subject.uid ?? "",
      notice.reason,
      notice.message,
      source.host ?? ""
    )
    const before = posted.get(key)
    if (before === undefined) return yield* createNew(key, subject, notice, occurrence)
    const count = before.count + occurrence.times
    const change = { count, lastTimestamp: eventTime(occurrence.at) }
    return yield* api.patch(events, { name: before.name, namespace: subject.namespace }, change).pipe(
      Effect.andThen(remember(key, { name: before.name, count })),
      Effect.catchTag("KubeNotFound", () => createNew(key, subject, notice, occurrence))
    )
  })
})
