import { Effect, Option } from "effect"
import { Mounter } from "../../mount/Mounter.ts"
import type { StageRecord } from "../../mount/StageRecord.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { type FabricTarget, type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { waitForDevice } from "../../nvme/WaitForDevice.ts"
import { measured, nvmeConnectDurationSeconds, nvmeConnectsTotal } from "../../observability/Metrics.ts"
import { Nqn } from "../../volume/Nqn.ts"
import { decode, type VolumeContext } from "../../volume/VolumeContext.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { NodeStageVolumeRequest } from "../gen/csi_pb.ts"
import { absolutePath, capability, existingVolumeId, required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { clearedStaging, mountFilesystem } from "./Filesystem.ts"
import { examine, usersOf } from "./Mounts.ts"
import { exclusively, recordOf, usageOf, type WantedVolume } from "./Volume.ts"

/**
 * CSI spec, NodeStageVolume: connects the volume and, for a file system, mounts it at the staging path. Everything comes
 * from the volume context and from the kernel's state, so that it can be called again after a crash at any point. A call
 * that fails undoes what it did and nothing else; one that is cancelled undoes nothing, as the CO will stage or unstage.
 */
export const stageVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodeStageVolumeRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    const stagingPath = yield* absolutePath("staging_target_path", request.stagingTargetPath)
    const { usage, readOnly } = yield* Effect.fromResult(usageOf(yield* capability(request.volumeCapability)))
    const id = yield* existingVolumeId(volumeId)
    const context = yield* Effect.fromResult(decode(request.volumeContext, id))
    const volume = { id, nqn: context.nqn, stagingPath, usage, readOnly }
    yield* exclusively(config, id)(stage(config, volume, context))
    return {}
  })

const stage = Effect.fnUntraced(function*(config: NodeConfig, volume: WantedVolume, context: VolumeContext) {
  const records = yield* StageRecords
  const fabric = yield* NvmeFabric
  const previous = yield* records.get(volume.id)
  const before = yield* fabric.device(volume.nqn)
  if (yield* isStaged(config, volume, before, previous)) return
  const connection = yield* fabric.connect(targetOf(config, context)).pipe(
    measured({ total: nvmeConnectsTotal, seconds: nvmeConnectDurationSeconds })
  )
  yield* finish(config, volume, previous).pipe(
    Effect.tapError(() => undo(volume, { disconnect: !connection.adopted, forget: Option.isNone(previous) }))
  )
})

/** Whether the volume is staged as it is wanted. Fails if it is staged in another way. */
const isStaged = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedVolume,
  device: Option.Option<NvmeDevice>,
  record: Option.Option<StageRecord>
) {
  const { stagingPath, usage } = volume
  const state = yield* examine(stagingPath, volume.nqn, device)
  if (state._tag === "Current") {
    const { fsType, readOnly } = state.entry
    const same = usage._tag === "Filesystem" && usage.fsType === fsType && readOnly === volume.readOnly
    return same || (yield* stagedOtherwise(config, volume, `as ${readOnly ? "read-only" : "writable"} ${fsType}`))
  }
  const asBlock = Option.isSome(device) && Option.exists(record, ({ mode }) => mode._tag === "Block")
  if (asBlock && usage._tag === "Filesystem") return yield* stagedOtherwise(config, volume, "as a block volume")
  return false
})

const stagedOtherwise = (config: NodeConfig, { id, stagingPath }: WantedVolume, how: string) =>
  new VolumeIncompatible({
    message: `volume ${id} is staged ${how} at ${stagingPath} on node ${config.nodeId}; unstage it first`
  })

const targetOf = ({ nodeId }: NodeConfig, { nqn, address, port, tuning }: VolumeContext): FabricTarget => ({
  nqn,
  address,
  port,
  tuning,
  hostNqn: Nqn.host(nodeId),
  hostId: Nqn.hostId(nodeId)
})

/** Everything after the connect. */
const finish = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedVolume,
  previous: Option.Option<StageRecord>
) {
  const records = yield* StageRecords
  const { usage } = volume
  const device = yield* waitForDevice(volume.nqn, { minimumBytes: 1n, limit: config.deviceTimeout })
  if (usage._tag === "Block") return yield* records.put(recordOf(volume, device, "", previous))
  const state = yield* clearedStaging(config, volume, Option.some(device))
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
