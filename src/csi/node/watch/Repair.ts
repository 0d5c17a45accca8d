import { Effect, Option } from "effect"
import { type DeviceNumber, Mounter, sameDevice } from "../../../mount/Mounter.ts"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import { StageRecords } from "../../../mount/StageRecords.ts"
import { type NvmeDevice, NvmeFabric } from "../../../nvme/NvmeFabric.ts"
import type { NodeConfig } from "../Config.ts"
import { clearedStaging, mountFilesystem, type WantedFilesystem } from "../Filesystem.ts"
import { usersOf } from "../Mounts.ts"
import { refuse } from "../Volume.ts"

/**
 * Mounts the volume's present device at the staging path in place of the lost one, if nothing uses either: no publication is
 * recorded, and there is no other mount and no holder in the host's view. Answers whether it did. What cannot be looked at is
 * an error, and so is a device that does not hold the file system that was staged; nothing is unmounted then. The caller
 * holds the volume's lock.
 */
export const mountAfresh = Effect.fn("VolumeWatch.mountAfresh")(function*(config: NodeConfig, record: StageRecord) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const volume = wantedOf(record)
  if (volume === undefined || record.publications.length > 0) return false
  const device = yield* fabric.device(record.nqn)
  if (Option.isNone(device)) return false
  const mounted = yield* mounter.mountsAt(record.stagingPath)
  if (yield* isUsed([device.value, ...mounted.map((entry) => entry.device)], record.stagingPath)) return false
  yield* checkContent(config, record, device.value)
  const state = yield* clearedStaging(config, volume, device)
  if (state._tag === "Nothing") yield* mountFilesystem(config, volume, device.value, Option.some(record))
  return true
})

const wantedOf = ({ mode, nqn, readOnly, stagingPath, volumeId }: StageRecord): WantedFilesystem | undefined =>
  mode._tag === "Block" ? undefined : { id: volumeId, nqn, stagingPath, readOnly, usage: mode }

const isUsed = Effect.fnUntraced(function*(devices: ReadonlyArray<DeviceNumber>, stagingPath: string) {
  const users = yield* Effect.forEach(devices, (device) => usersOf(device, stagingPath))
  return users.flat().length > 0
})

/** Nobody asked for this mount: it must be the same file system, not just one of the same type. */
const checkContent = Effect.fnUntraced(function*(config: NodeConfig, record: StageRecord, device: NvmeDevice) {
  const mounter = yield* Mounter
  const content = yield* mounter.probe(device)
  if (record.mode._tag === "Filesystem" && content._tag === "Formatted" && content.uuid === record.mode.uuid) return
  return yield* refuse(config, record.volumeId, "came back without the file system that was staged")
})

/**
 * Records the device that a block volume came back as, unless a block special file that is published still names the lost
 * one. Answers whether it did. The caller holds the volume's lock.
 */
export const adoptDevice = Effect.fnUntraced(function*(record: StageRecord) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const records = yield* StageRecords
  const device = yield* fabric.device(record.nqn)
  if (Option.isNone(device)) return false
  const nodes = yield* Effect.forEach(record.publications, ({ targetPath }) => mounter.blockNode(targetPath))
  if (nodes.some(Option.exists((node) => !sameDevice(node, device.value)))) return false
  yield* records.put({ ...record, device: device.value })
  yield* Effect.annotateLogs(Effect.logInfo("a block volume that nothing uses came back as another device"), {
    before: record.device.path,
    device: device.value.path
  })
  return true
})
