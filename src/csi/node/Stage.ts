import { Effect, Option } from "effect"
import { Mounter } from "../../mount/Mounter.ts"
import type { RecordedConnection, StageRecord } from "../../mount/StageRecord.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { waitForDevice } from "../../nvme/WaitForDevice.ts"
import { measured, nvmeConnectDurationSeconds, nvmeConnectsTotal } from "../../observability/Metrics.ts"
import { decode } from "../../volume/VolumeContext.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { NodeStageVolumeRequest } from "../gen/csi_pb.ts"
import { absolutePath, capability, existingVolumeId, required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { clearedStaging, mountFilesystem } from "./Filesystem.ts"
import { examine, type PathState, usersOf } from "./Mounts.ts"
import { exclusively, protectDevice, recordOf, targetOf, usageOf, type WantedVolume } from "./Volume.ts"
import { NodeEvents } from "./watch/NodeEvents.ts"
import { VolumeWatch } from "./watch/VolumeWatch.ts"

/**
 * CSI spec, NodeStageVolume: connects the volume and, for a file system, mounts it at the staging path. Everything comes
 * from the volume context and from the kernel's state, so that it can be called again after a crash at any point. A call
 * that fails undoes what it did and nothing else; one that is cancelled undoes nothing, as the CO will stage or unstage.
 */
export const stageVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodeStageVolumeRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    const stagingPath = yield* absolutePath("staging_target_path", request.stagingTargetPath)
    const wanted = yield* capability(request.volumeCapability)
    const { usage, readOnly } = yield* Effect.fromResult(usageOf(wanted, request.publishContext))
    const id = yield* existingVolumeId(volumeId)
    const context = yield* Effect.fromResult(decode(request.volumeContext, id))
    const { address, nqn, port, tuning } = context
    const volume = { id, nqn, stagingPath, usage, readOnly, connection: { address, port, tuning } }
    yield* exclusively(config, id)(Effect.andThen(stage(config, volume), watch(volume)))
    return {}
  })

/** A volume that this call connects. */
interface ConnectedVolume extends WantedVolume {
  readonly connection: RecordedConnection
}

const stage = Effect.fnUntraced(function*(config: NodeConfig, volume: ConnectedVolume) {
  const records = yield* StageRecords
  const fabric = yield* NvmeFabric
  const previous = yield* records.get(volume.id)
  const before = yield* fabric.device(volume.nqn)
  const state = yield* examine(volume.stagingPath, volume.nqn, before)
  if (yield* isStaged(config, volume, { device: before, record: previous, state })) return
  const connection = yield* fabric.connect(targetOf(config, volume.nqn, volume.connection)).pipe(
    measured({ total: nvmeConnectsTotal, seconds: nvmeConnectDurationSeconds }),
    told(volume, "ConnectionFailure")
  )
  yield* finish(config, volume, { record: previous, state }).pipe(
    told(volume, "MountFailure"),
    Effect.tapError(() => undo(volume, { disconnect: !connection.adopted, forget: Option.isNone(previous) }))
  )
})

/** Tells people why a volume could not be staged; the orchestrator repeats the call, and its own events say little. */
const told =
  ({ id }: WantedVolume, reason: "ConnectionFailure" | "MountFailure") =>
  <A, E extends { readonly message: string }, R>(self: Effect.Effect<A, E, R>) =>
    Effect.tapError(
      self,
      ({ message }) => NodeEvents.use((events) => events.publish({ reason, volumeId: id, message }))
    )

/** Has the staged volume watched. A record that was written before connections were kept gets this one. */
const watch = Effect.fnUntraced(function*({ connection, id }: ConnectedVolume) {
  const records = yield* StageRecords
  const record = yield* records.get(id)
  if (Option.isNone(record)) return
  const complete = { ...record.value, connection: record.value.connection ?? connection }
  if (record.value.connection === undefined) yield* records.put(complete)
  yield* VolumeWatch.use((volumeWatch) => volumeWatch.started(complete))
})

/** What was found of the volume before anything was done. */
interface Found {
  readonly device: Option.Option<NvmeDevice>
  readonly record: Option.Option<StageRecord>
  /** Of the staging path. */
  readonly state: PathState
}

/** Whether the volume is staged as it is wanted. Fails if it is staged in another way. */
const isStaged = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedVolume,
  { device, record, state }: Found
) {
  const { usage } = volume
  if (state._tag === "Current") {
    const { fsType, readOnly } = state.entry
    const same = usage._tag === "Filesystem" && usage.fsType === fsType && readOnly === volume.readOnly
    return same || (yield* stagedOtherwise(config, volume, `as ${readOnly ? "read-only" : "writable"} ${fsType}`))
  }
  const asBlock = Option.isSome(device) ? Option.filter(record, ({ mode }) => mode._tag === "Block") : Option.none()
  if (Option.isNone(asBlock) || usage._tag === "Block" && asBlock.value.readOnly === volume.readOnly) return false
  return yield* stagedOtherwise(
    config,
    volume,
    `as a ${asBlock.value.readOnly ? "read-only" : "writable"} block volume`
  )
})

const stagedOtherwise = (config: NodeConfig, { id, stagingPath }: WantedVolume, how: string) =>
  new VolumeIncompatible({
    message: `volume ${id} is staged ${how} at ${stagingPath} on node ${config.nodeId}; unstage it first`
  })

/** Everything after the connect. */
const finish = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedVolume,
  { record: previous, state: before }: Omit<Found, "device">
) {
  const records = yield* StageRecords
  const { usage } = volume
  const device = yield* waitForDevice(volume.nqn, { minimumBytes: 1n, limit: config.deviceTimeout })
  yield* protectDevice(volume, device)
  if (usage._tag === "Block") return yield* records.put(recordOf(volume, device, "", previous))
  const state = before._tag === "Nothing" ? before : yield* clearedStaging(config, volume, Option.some(device))
  if (state._tag === "Nothing") yield* mountFilesystem(config, { ...volume, usage }, device, previous)
})

/**
 * Takes back what a failed call did, which includes a step that took effect and was reported as failed. When something is in
 * the way, what is left stays for the next stage or unstage to find.
 */
const undo = (
  { id, nqn, stagingPath }: WantedVolume,
  { disconnect, forget }: { readonly disconnect: boolean; readonly forget: boolean }
) =>
  Effect.gen(function*() {
    const fabric = yield* NvmeFabric
    const mounter = yield* Mounter
    const records = yield* StageRecords
    const device = yield* fabric.device(nqn)
    if ((yield* examine(stagingPath, nqn, device))._tag === "Current") yield* mounter.unmount(stagingPath)
    if (forget) yield* records.remove(id)
    if (!disconnect) return
    const users = Option.isSome(device) ? yield* usersOf(device.value, stagingPath) : []
    if (users.length === 0) yield* fabric.disconnect(nqn)
  }).pipe(
    Effect.catch(({ message: error }) =>
      Effect.annotateLogs(Effect.logWarning("a failed stage could not be undone"), { error })
    ),
    Effect.uninterruptible
  )
