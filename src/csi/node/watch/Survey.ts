import { Effect, Option, Schedule } from "effect"
import { Mounter } from "../../../mount/Mounter.ts"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import { StageRecords } from "../../../mount/StageRecords.ts"
import { NvmeFabric } from "../../../nvme/NvmeFabric.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import type { NodeConfig } from "../Config.ts"
import { inTurn } from "../Volume.ts"
import { connectionOf, visibleProblem } from "./Health.ts"
import { cleanOrphans } from "./Orphans.ts"
import type { WatchConfig } from "./Watcher.ts"

/** While the node's state cannot be read: one second, doubled up to a minute. */
const backoff = Schedule.min([
  Schedule.exponential("1 second").pipe(Schedule.jittered),
  Schedule.spaced("1 minute")
])

/**
 * What a fresh process does first: finds out what an earlier one left staged, one log line each, and has that watched by
 * `adopt`, which also repairs it. A recorded volume that is neither connected nor mounted, as after a reboot of the node, keeps
 * its record until the orchestrator stages or unstages it. Then looks for connections that belong to no volume. It waits for
 * calls that work on a volume, and never makes one wait long.
 */
export const survey = Effect.fn("VolumeWatch.survey")(function*(
  config: WatchConfig,
  adopt: (record: StageRecord) => Effect.Effect<void>
) {
  const records = yield* StageRecords
  const staged = yield* retried(records.list)
  yield* Effect.forEach(staged, ({ volumeId }) => retried(takeOver(config.node, volumeId, adopt)), { discard: true })
  yield* cleanOrphans(config, retried)
})

const retried = <A, E extends { readonly message: string }, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, never, R> =>
  self.pipe(
    Effect.tapError(({ message: error }) =>
      Effect.annotateLogs(Effect.logWarning("the node's volumes cannot be surveyed yet"), { error })
    ),
    Effect.retry(backoff),
    // The schedule never ends.
    Effect.orDie
  )

const takeOver = (node: NodeConfig, id: VolumeId, adopt: (record: StageRecord) => Effect.Effect<void>) =>
  inTurn(node, id)(Effect.gen(function*() {
    const records = yield* StageRecords
    const found = yield* records.get(id)
    if (Option.isNone(found)) return
    const record = found.value
    const { connection, finding, isStaged } = yield* assess(record)
    if (isStaged) yield* adopt(record)
    yield* Effect.annotateLogs(Effect.logInfo(finding), {
      connection,
      mode: record.mode._tag,
      publications: record.publications.length,
      reconnectable: record.connection !== undefined
    })
  })).pipe(Effect.annotateLogs({ volume_id: id }))

/** What is left of a recorded volume, in words. */
const assess = Effect.fnUntraced(function*(record: StageRecord) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const controllers = yield* fabric.controllers(record.nqn)
  const device = yield* fabric.device(record.nqn)
  const mounts = yield* mounter.mountsAt(record.stagingPath)
  const connection = connectionOf(controllers)
  if (controllers.length === 0 && mounts.length === 0) {
    const finding = "found a volume that was staged and is not connected any more; it waits for the orchestrator"
    return { connection, isStaged: false, finding }
  }
  const problem = connection === "live" ? visibleProblem(record, { device, mounts })?.message : undefined
  const finding = problem === undefined ? "found a staged volume" : `found a staged volume: ${problem}`
  return { connection, isStaged: true, finding }
})
