import { Duration, Effect, Option, Schedule } from "effect"
import { type RecordedConnection, type StageRecord } from "../../../mount/StageRecord.ts"
import { StageRecords } from "../../../mount/StageRecords.ts"
import { NvmeFabric } from "../../../nvme/NvmeFabric.ts"
import { waitForDevice } from "../../../nvme/WaitForDevice.ts"
import { measured, nvmeReconnectsTotal } from "../../../observability/Metrics.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import type { NodeConfig } from "../Config.ts"
import { exclusively, targetOf } from "../Volume.ts"
import type { Board } from "./Board.ts"
import { connectionOf } from "./Health.ts"

/** The slowest pace of attempts. */
const cap = Duration.minutes(1)

/**
 * Connects a staged volume again whose controller has vanished: at once, then at the pace that its class asks of the kernel
 * (`reconnectDelay`), doubled from attempt to attempt up to a minute, ±20 %, until it is connected or not staged any more. Each
 * attempt takes the volume's lock and goes by the record that it finds then, so that it never comes in the way of a call.
 */
export const reconnect = Effect.fnUntraced(function*(config: NodeConfig, board: Board, record: StageRecord) {
  const { connection, volumeId } = record
  if (connection === undefined) return
  yield* exclusively(config, volumeId)(attempt(config, board, volumeId)).pipe(
    Effect.retry(pace(connection)),
    Effect.ignore
  )
})

const pace = ({ tuning }: RecordedConnection) =>
  Schedule.min([
    Schedule.exponential(Duration.seconds(tuning.reconnectDelay)).pipe(Schedule.jittered),
    Schedule.spaced(cap)
  ])

const attempt = Effect.fnUntraced(function*(config: NodeConfig, board: Board, id: VolumeId) {
  const fabric = yield* NvmeFabric
  const records = yield* StageRecords
  const record = yield* records.get(id)
  if (Option.isNone(record) || record.value.connection === undefined) return
  const { connection, nqn } = record.value
  if (connectionOf(yield* fabric.controllers(nqn)) !== "gone") return
  yield* fabric.connect(targetOf(config, nqn, connection)).pipe(
    measured({ total: nvmeReconnectsTotal }),
    Effect.tapError(({ message: error }) =>
      Effect.andThen(
        board.change(id, { reconnectError: Option.some(error) }),
        Effect.annotateLogs(Effect.logWarning("a staged volume could not be connected again"), { error })
      )
    )
  )
  yield* Effect.logInfo("connected a staged volume again")
  // A device that does not come is for the next look to report.
  yield* Effect.ignore(waitForDevice(nqn, { minimumBytes: 1n, limit: config.deviceTimeout }))
})
