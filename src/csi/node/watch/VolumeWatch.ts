import { Context, Effect, FiberMap, Layer, Option } from "effect"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import { makeBoard, type Watched } from "./Board.ts"
import { makeLook } from "./Look.ts"
import { survey } from "./Survey.ts"
import { follow, recheckTime, type WatchConfig, type WatchServices } from "./Watcher.ts"

/** What watching knows of a volume beyond what a look at one of its paths shows. Texts for a VolumeCondition. */
export interface WatchedCondition {
  /** About connecting a volume again whose controller has vanished. */
  readonly reconnect: Option.Option<string>
  /** What was last found wrong with the volume while its connection was live. */
  readonly problem: Option.Option<string>
}

/**
 * Keeps an eye on every volume that is staged on this node, from its staging, or from the start of the process, to its
 * unstaging: a fiber each. It tells about outages and lost devices, connects again what the kernel gave up, and mounts staging
 * afresh where nothing uses it.
 */
export class VolumeWatch extends Context.Service<VolumeWatch, {
  /** The volume was staged as the record says, again or for the first time. */
  started(record: StageRecord): Effect.Effect<void>
  /** The volume was unstaged: when this returns, nothing is done for it any more. Unknown volumes are fine. */
  stopped(id: VolumeId): Effect.Effect<void>
  /** As last seen, at most a few seconds ago; nothing is wrong with a volume that is not watched. */
  condition(id: VolumeId): Effect.Effect<WatchedCondition>
}>()("rds-csi/csi/node/VolumeWatch") {
  /** Surveys the node in the background first; see `survey`. */
  static readonly layer = (config: WatchConfig): Layer.Layer<VolumeWatch, never, WatchServices> =>
    Layer.effect(VolumeWatch, makeVolumeWatch(config))
}

const makeVolumeWatch = Effect.fnUntraced(function*(config: WatchConfig) {
  const board = yield* makeBoard
  const look = yield* makeLook(config.pollInterval)
  const fibers = yield* FiberMap.make<VolumeId>()
  const run = yield* FiberMap.runtime(fibers)<WatchServices>()

  const started = Effect.fnUntraced(function*(record: StageRecord) {
    yield* board.add(record, yield* recheckTime("healthy"))
    run(record.volumeId, follow({ board, config, look }, record.volumeId), { onlyIfMissing: true })
  }, Effect.uninterruptible)

  const stopped = (id: VolumeId) =>
    Effect.uninterruptible(Effect.andThen(FiberMap.remove(fibers, id), board.remove(id)))

  yield* Effect.forkScoped(survey(config, started))
  return VolumeWatch.of({
    started,
    stopped,
    condition: (id) => Effect.map(board.get(id), Option.match({ onNone: () => unknown, onSome: conditionOf }))
  })
})

const unknown: WatchedCondition = { reconnect: Option.none(), problem: Option.none() }

const conditionOf = ({ connection, problem, reconnectError, record }: Watched): WatchedCondition => ({
  reconnect: connection === "gone" ? Option.some(reconnectText(record, reconnectError)) : Option.none(),
  problem: Option.map(problem, ({ message }) => message)
})

const reconnectText = ({ connection }: StageRecord, error: Option.Option<string>) =>
  connection === undefined
    ? "it was staged by an earlier release and cannot be connected again before it is staged again"
    : Option.match(error, {
      onNone: () => "it is being connected again",
      onSome: (reason) => `connecting it again fails: ${reason}`
    })
