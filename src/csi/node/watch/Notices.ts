import { Clock, Duration, Effect, Metric, Option } from "effect"
import { nvmeOutageDurationSeconds, staleMountsDetectedTotal } from "../../../observability/Metrics.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import type { Board } from "./Board.ts"
import type { ConnectionState, Problem } from "./Health.ts"
import { NodeEvents, type NodeReason } from "./NodeEvents.ts"

/** Puts the state of the connection on the board, and tells if it is another one than before: once for each change. */
export const noteConnection = Effect.fnUntraced(
  function*(board: Board, id: VolumeId, now: ConnectionState, why: string) {
    const watched = yield* board.get(id)
    if (Option.isNone(watched) || watched.value.connection === now) return
    const { connection: before, downSince } = watched.value
    const at = yield* Clock.currentTimeMillis
    yield* board.change(id, {
      connection: now,
      downSince: before === "live" ? at : now === "live" ? 0 : downSince,
      reconnectError: Option.none()
    })
    yield* Effect.annotateLogs(logConnection(now), { before, controllers: why })
    if (now === "live") {
      yield* Metric.update(nvmeOutageDurationSeconds, Duration.toSeconds(Duration.millis(at - downSince)))
      return yield* tell(id, "ConnectionRecovery", "the connection to the appliance is up again")
    }
    if (now === "gone") yield* tell(id, "ConnectionFailure", "the connection to the appliance is gone; I/O fails")
    else if (before === "live") {
      yield* tell(id, "ConnectionFailure", "the connection to the appliance is down; I/O waits until it is back")
    }
  },
  Effect.uninterruptible
)

const logConnection = (now: ConnectionState) =>
  now === "live"
    ? Effect.logInfo("the connection of a staged volume is live")
    : Effect.logWarning(`the connection of a staged volume is ${now}`)

/** Puts what is wrong with the volume on the board, and tells if it is something else than before: once for each change. */
export const noteProblem = Effect.fnUntraced(function*(board: Board, id: VolumeId, now: Option.Option<Problem>) {
  const watched = yield* board.get(id)
  if (Option.isNone(watched)) return
  const kindBefore = Option.map(watched.value.problem, ({ kind }) => kind)
  const isSame = Option.getOrUndefined(kindBefore) === Option.getOrUndefined(now)?.kind
  yield* board.change(id, { problem: now, ...(isSame ? {} : { repairFailed: false }) })
  if (isSame) return
  if (Option.isNone(now)) {
    yield* Effect.annotateLogs(Effect.logInfo("a staged volume can be used again"), {
      problem: Option.getOrUndefined(kindBefore)
    })
    return yield* tell(id, "MountRecovery", "the volume can be used again")
  }
  const { kind, message } = now.value
  yield* Effect.annotateLogs(Effect.logWarning("a staged volume cannot be used as it should"), {
    problem: kind,
    reason: message
  })
  if (kind === "stale") yield* Metric.update(staleMountsDetectedTotal, 1)
  yield* tell(id, kind === "stale" ? "StaleMountDetected" : "MountFailure", message)
}, Effect.uninterruptible)

/** Tells that the volume's problem could not be repaired, once for as long as it lasts. */
export const noteRepairFailure = Effect.fnUntraced(function*(board: Board, id: VolumeId, error: string) {
  const watched = yield* board.get(id)
  yield* Effect.annotateLogs(Effect.logWarning("a staged volume could not be mounted afresh"), { error })
  if (Option.isNone(watched) || watched.value.repairFailed) return
  yield* board.change(id, { repairFailed: true })
  yield* tell(id, "RecoveryFailed", `the volume could not be mounted afresh: ${error}`)
}, Effect.uninterruptible)

const tell = (volumeId: VolumeId, reason: NodeReason, message: string) =>
  NodeEvents.use((events) => events.publish({ reason, volumeId, message }))
