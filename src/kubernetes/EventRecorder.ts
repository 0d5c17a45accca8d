import { Context, DateTime, Effect, Layer } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { ClusterView } from "./ClusterView.ts"
import type { KubeWriteError } from "./Errors.ts"
import { claimOf, eventFields, eventName, type EventSource, type Notice } from "./EventPost.ts"
import { makeEventQueue, posted } from "./EventQueue.ts"
import { KubeApi } from "./KubeApi.ts"
import { events } from "./Resources.ts"
import { makeVolumeLookup } from "./VolumeLookup.ts"

const source: EventSource = { component: "rds-csi-controller" }

/** Posts the controller's Kubernetes Events on the claims of volumes. */
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

const make = Effect.gen(function*() {
  const { volumes } = yield* ClusterView
  const lookup = yield* makeVolumeLookup
  const api = yield* KubeApi
  const post = yield* makeEventQueue({
    source,
    subjectOf: (volumeId: VolumeId) => Effect.sync(() => claimOf(lookup.known(volumeId))),
    start: volumes.synced,
    isStarted: volumes.isSynced
  })

  return EventRecorder.of({
    post,
    postOnce: Effect.fnUntraced(function*(volumeId, key, notice) {
      const claim = claimOf(yield* lookup.peek(volumeId))
      if (claim === undefined) return
      const ref = { name: eventName(volumeId, key), namespace: claim.namespace }
      yield* api.create(events, ref, eventFields(claim, notice, source, { times: 1, at: yield* DateTime.now })).pipe(
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

/** What the API server says when an event comes too late (NamespaceLifecycle admission). */
const isEnding = (message: string) => message.includes("because it is being terminated")
