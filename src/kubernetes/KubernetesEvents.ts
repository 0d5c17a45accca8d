import { Effect, Layer } from "effect"
import { AttachmentEvents } from "../attachment/AttachmentEvents.ts"
import { EventsUnavailable } from "../attachment/Errors.ts"
import { type Announcement, describe, isWarning } from "../attachment/Facts.ts"
import type { Notice } from "./EventPost.ts"
import { EventRecorder } from "./EventRecorder.ts"

/** Tells what happens to attachments through Kubernetes Events on the volume's claim, under the Go driver's reasons. */
export const kubernetesEvents = Layer.effect(
  AttachmentEvents,
  Effect.map(EventRecorder, (recorder) =>
    AttachmentEvents.of({
      publish: (fact) => recorder.post(fact.volumeId, noticeOf(fact)),
      tell: (ended) => {
        const { number, result, startedAt } = ended.end
        return Effect.mapError(
          recorder.postOnce(ended.volumeId, `migration ${number} ${startedAt} ${result}`, noticeOf(ended)),
          ({ message }) => new EventsUnavailable({ message })
        )
      }
    }))
)

const noticeOf = (announcement: Announcement): Notice => ({
  type: isWarning(announcement) ? "Warning" : "Normal",
  reason: reasonOf(announcement),
  message: `[${announcement.volumeId}]: ${describe(announcement)}`
})

const reasonOf = (announcement: Announcement): string => {
  switch (announcement._tag) {
    case "Attached":
      return "VolumeAttached"
    case "Detached":
      return "VolumeDetached"
    case "MigrationStarted":
      return "MigrationStarted"
    case "MigrationEnded":
      return announcement.end.result === "completed" ? "MigrationCompleted" : "MigrationFailed"
    case "Conflict":
      return "AttachmentConflict"
    case "Adopted":
      return "AttachmentAdopted"
    case "StaleCleared":
      return "StaleAttachmentCleared"
    case "TooManyHolders":
      return "TooManyAttachments"
    case "RecordUnreadable":
      return "AttachmentRecordUnreadable"
  }
}
