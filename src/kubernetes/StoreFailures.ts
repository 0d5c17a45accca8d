import { Effect } from "effect"
import { StoreConflict, StoreOutcomeUnknown, StoreUnavailable } from "../attachment/Errors.ts"
import type { KubeReadError, KubeWriteError } from "./Errors.ts"

/** The Kubernetes API cannot tell what was asked; nothing was changed. */
export const unreadable = ({ message }: KubeReadError) =>
  new StoreUnavailable({ message: `the Kubernetes API is not available to the driver: ${message}` })

/** Waits for the first lists of the cluster, within a limit. */
export const orNotListed = (synced: Effect.Effect<void>): Effect.Effect<void, StoreUnavailable> =>
  Effect.timeoutOrElse(synced, {
    duration: "10 seconds",
    orElse: () =>
      Effect.fail(
        new StoreUnavailable({
          message:
            "the cluster's volumes and attachments have not been listed yet: the Kubernetes API server does not " +
            "answer, or does not let the driver list them"
        })
      )
  })

/** A PersistentVolume's record could not be written. One that is gone has been changed, too. */
export const unwritten = (error: KubeWriteError) => {
  switch (error._tag) {
    case "KubeConflict":
    case "KubeNotFound":
      return new StoreConflict()
    case "KubeOutcomeUnknown":
      return new StoreOutcomeUnknown({ message: error.message })
    default:
      return unreadable(error)
  }
}
