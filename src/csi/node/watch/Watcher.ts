import { Cause, Clock, Duration, Effect, Metric, Option, Random, Result, Schedule } from "effect"
import { Mounter } from "../../../mount/Mounter.ts"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import { StageRecords } from "../../../mount/StageRecords.ts"
import { NvmeFabric } from "../../../nvme/NvmeFabric.ts"
import { staleRecoveriesTotal } from "../../../observability/Metrics.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import type { VolumeBusy, VolumeLock } from "../../../volume/VolumeLock.ts"
import type { NodeConfig } from "../Config.ts"
import { unlessBusy } from "../Volume.ts"
import type { Board, Watched } from "./Board.ts"
import { connectionOf, failing, type Problem, type Sight, visibleProblem } from "./Health.ts"
import { type Look, type LookFailure, sightOf } from "./Look.ts"
import type { NodeEvents } from "./NodeEvents.ts"
import { noteConnection, noteProblem, noteRepairFailure } from "./Notices.ts"
import { reconnect } from "./Reconnect.ts"
import { adoptDevice, mountAfresh } from "./Repair.ts"

/** How volumes are watched. */
export interface WatchConfig {
  readonly node: NodeConfig
  /** How often the kernel is asked how the staged volumes are. */
  readonly pollInterval: Duration.Duration
  /** How long a connection that belongs to no staged volume is left alone after the start. */
  readonly orphanGracePeriod: Duration.Duration
}

/** What watching works with. */
export type WatchServices = NvmeFabric | Mounter | StageRecords | VolumeLock | NodeEvents

/** What the watchers of all volumes share. */
export interface Watch {
  readonly config: WatchConfig
  readonly board: Board
  readonly look: Effect.Effect<Look, LookFailure>
}

/** How soon a volume is looked at closely again without cause: a file system that fails does not show in the kernel's lists. */
const recheckAfter = { healthy: Duration.minutes(5), troubled: Duration.minutes(1) }

/**
 * Follows one volume for as long as it runs. It polls what all volumes share; only when that differs from what was reported
 * does it take the volume's lock, look again, tell, and repair what may be repaired. While a call works on the volume it
 * leaves it alone.
 */
export const follow = (watch: Watch, id: VolumeId): Effect.Effect<void, never, WatchServices> =>
  poll(watch, id).pipe(
    Effect.catchDefect((defect) => Effect.logError("a volume could not be looked at", Cause.die(defect))),
    Effect.schedule(ticks(watch.config.pollInterval)),
    Effect.annotateLogs({ volume_id: id })
  )

/** Every multiple of the interval since the epoch: the same instants for all volumes, so that they share one look. */
const ticks = (interval: Duration.Duration) => {
  const period = Duration.toMillis(interval)
  const untilNext = (now: number) => Duration.millis(Math.max(period - now % period, 1))
  return Schedule.forever.pipe(Schedule.modifyDelay(({ now }) => Effect.succeed(untilNext(now))))
}

/** A point in time, spread out so that volumes staged together are not looked at together. */
export const recheckTime = Effect.fnUntraced(function*(state: keyof typeof recheckAfter) {
  const spread = yield* Random.nextBetween(0.6, 1)
  return (yield* Clock.currentTimeMillis) + Duration.toMillis(recheckAfter[state]) * spread
})

const poll = Effect.fnUntraced(
  function*(watch: Watch, id: VolumeId) {
    const { board, config } = watch
    const watched = yield* board.get(id)
    if (Option.isNone(watched)) return
    const { connection, mountPath, problem, recheckAt, record } = watched.value
    const sight = sightOf(yield* watch.look, record.nqn, mountPath)
    const isDue = (yield* Clock.currentTimeMillis) >= recheckAt
    const isWell = connection === "live" && Option.isNone(problem)
    if (hasChanged(watched.value, sight) || isDue && !isWell) yield* examine(watch, id)
    else if (isDue) yield* recheck(watch, record)
    const gone = Option.filter(yield* board.get(id), ({ connection }) => connection === "gone")
    if (Option.isNone(gone) || gone.value.record.connection === undefined) return
    yield* reconnect(config.node, board, gone.value.record)
    yield* examine(watch, id)
  },
  Effect.catch(({ message: error }) =>
    Effect.annotateLogs(Effect.logDebug("a volume could not be looked at"), { error })
  )
)

const hasChanged = ({ connection, problem, record }: Watched, sight: Sight) => {
  const now = connectionOf(sight.controllers)
  if (now !== connection) return true
  if (now !== "live") return false
  const visible = visibleProblem(record, sight)
  const reported = Option.getOrUndefined(problem)
  return visible?.kind !== reported?.kind && !(visible === undefined && reported?.kind === "failing")
}

/** Looks at the volume as it is now, under its lock. A volume that is being worked on is looked at next time. */
const examine = (watch: Watch, id: VolumeId) =>
  lookClosely(watch, id).pipe(unlessBusy(watch.config.node, id), leftWhileBusy)

const leftWhileBusy = <E, R>(look: Effect.Effect<void, E | VolumeBusy, R>) =>
  Effect.catchTag(look, "VolumeBusy", () => Effect.logDebug("a volume is not looked at while a call works on it"))

/** What shows of a volume is well: only what does not show is asked for, which all of sysfs need not be read for. */
const recheck = ({ board, config }: Watch, { mode, stagingPath, volumeId }: StageRecord) =>
  Effect.gen(function*() {
    const problem = mode._tag === "Filesystem" ? yield* hiddenProblem(stagingPath) : Option.none<Problem>()
    if (Option.isSome(problem)) yield* noteProblem(board, volumeId, problem)
    yield* board.change(volumeId, { recheckAt: yield* recheckTime(Option.isSome(problem) ? "troubled" : "healthy") })
  }).pipe(unlessBusy(config.node, volumeId), leftWhileBusy)

const lookClosely = Effect.fnUntraced(function*({ board, config }: Watch, id: VolumeId) {
  const fabric = yield* NvmeFabric
  const records = yield* StageRecords
  yield* board.change(id, { recheckAt: yield* recheckTime("troubled") })
  const found = yield* records.get(id)
  if (Option.isNone(found)) return
  const controllers = yield* fabric.controllers(found.value.nqn)
  const connection = connectionOf(controllers)
  const names = controllers.map(({ name, state }) => `${name} is ${state}`).join(", ")
  yield* noteConnection(board, id, connection, names || "none")
  if (connection !== "live") return
  const problem = yield* judge(board, found.value)
  if (Option.exists(problem, ({ kind }) => kind === "stale")) yield* repair(board, config.node, found.value)
  const now = yield* board.get(id)
  if (Option.exists(now, (watched) => Option.isSome(watched.problem))) return
  yield* board.change(id, { recheckAt: yield* recheckTime("healthy") })
})

/** What is wrong with the volume now; reports it. */
const judge = Effect.fnUntraced(function*(board: Board, record: StageRecord) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const { mode, nqn, stagingPath, volumeId } = record
  const device = yield* fabric.device(nqn)
  const mounts = yield* mounter.mountsAt(stagingPath)
  yield* board.change(volumeId, { record, mountPath: mounts.at(-1)?.path ?? stagingPath })
  const visible = Option.fromUndefinedOr(visibleProblem(record, { device, mounts }))
  const problem = Option.isNone(visible) && mode._tag === "Filesystem" ? yield* hiddenProblem(stagingPath) : visible
  yield* noteProblem(board, volumeId, problem)
  return problem
})

/** Repairs what a volume that came back as another device needs, if nothing uses it, and judges it again. */
const repair = Effect.fnUntraced(function*(board: Board, node: NodeConfig, record: StageRecord) {
  const records = yield* StageRecords
  const repaired = yield* Effect.result(record.mode._tag === "Block" ? adoptDevice(record) : mountAfresh(node, record))
  if (Result.isSuccess(repaired) && !repaired.success) return
  const status = Result.isSuccess(repaired) ? "success" : "failure"
  yield* Metric.update(Metric.withAttributes(staleRecoveriesTotal, { status }), 1)
  if (Result.isFailure(repaired)) yield* noteRepairFailure(board, record.volumeId, repaired.failure.message)
  yield* judge(board, Option.getOrElse(yield* records.get(record.volumeId), () => record))
})

/** File systems that were shut down, and devices that answer with errors, show when they are asked for something. */
const hiddenProblem = (path: string): Effect.Effect<Option.Option<Problem>, never, Mounter> =>
  Mounter.use((mounter) => mounter.stats(path)).pipe(
    Effect.as(Option.none()),
    Effect.catch(({ message }) => Effect.succeedSome(failing(message)))
  )
