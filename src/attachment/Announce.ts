import { Effect, Metric } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import { AttachmentEvents } from "./AttachmentEvents.ts"
import { type Announcement, describe, isWarning, secondsOf } from "./Facts.ts"

/** Puts what happened where people look: the log, the metrics, the volume's events. */
export const announce = Effect.fnUntraced(function*(announcements: ReadonlyArray<Announcement>) {
  const events = yield* AttachmentEvents
  for (const announcement of announcements) {
    const log = isWarning(announcement) ? Effect.logWarning : Effect.logInfo
    yield* log(`volume ${announcement.volumeId}: ${describe(announcement)}`)
    yield* count(announcement)
    // The end of a migration has been told before it is announced.
    if (announcement._tag !== "MigrationEnded") yield* events.publish(announcement)
  }
})

/** Counts something that the reconciler did. */
export const countReconcile = (action: string) =>
  Metric.update(Metric.withAttributes(Metrics.attachmentReconcileTotal, { action }), 1)

const count = Effect.fnUntraced(function*(announcement: Announcement) {
  switch (announcement._tag) {
    case "Conflict":
      return yield* Metric.update(
        Metric.withAttributes(Metrics.attachmentConflictsTotal, { reason: announcement.reason }),
        1
      )
    case "StaleCleared":
      yield* Metric.update(Metrics.attachmentStaleClearedTotal, 1)
      return yield* countReconcile("clear_stale")
    case "Adopted":
      return yield* countReconcile("adopt")
    case "MigrationEnded":
      yield* Metric.update(
        Metric.withAttributes(Metrics.migrationMigrationsTotal, { result: results[announcement.end.result] }),
        1
      )
      return yield* Metric.update(Metrics.migrationDurationSeconds, secondsOf(announcement.end))
    case "Attached":
    case "Detached":
    case "MigrationStarted":
    case "RecordUnreadable":
    case "TooManyHolders":
      return
  }
})

/** The Go driver's words for how a migration ended. */
const results = { completed: "success", cancelled: "failed", timeout: "timeout" } as const
