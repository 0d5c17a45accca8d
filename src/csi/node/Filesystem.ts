import { Effect, Option } from "effect"
import { ForeignContent } from "../../mount/Errors.ts"
import { Mounter, sameDevice } from "../../mount/Mounter.ts"
import type { StageRecord } from "../../mount/StageRecord.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { DeviceMissing } from "../../nvme/Errors.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { NodeConfig } from "./Config.ts"
import { countedMount, examine, type PathState, usersOf } from "./Mounts.ts"
import { recordedUuid, recordOf, refuse, type Usage, type WantedVolume } from "./Volume.ts"

/** A volume that is wanted as a file system. */
export interface WantedFilesystem extends WantedVolume {
  readonly usage: Extract<Usage, { _tag: "Filesystem" }>
}

/**
 * Mounts the volume's file system at the staging path, where nothing may be mounted, and records it: formats a device that
 * is proven blank, checks one that is formatted, and makes the file system fill the device. The record is written before
 * the mount, so that whatever happens then can be undone from it.
 */
export const mountFilesystem = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedFilesystem,
  device: NvmeDevice,
  previous: Option.Option<StageRecord>
) {
  const mounter = yield* Mounter
  const records = yield* StageRecords
  const { stagingPath, usage } = volume
  const { isNew, uuid } = yield* ensureFormatted(config, volume, device, previous)
  const mount = mounter.mount({ device, path: stagingPath, fsType: usage.fsType, flags: usage.flags }).pipe(
    countedMount("mount"),
    Effect.andThen(Effect.tapError(verifySame(volume, device), () => mounter.unmount(stagingPath)))
  )
  yield* records.put(recordOf(volume, device, uuid, previous)).pipe(Effect.andThen(mount), Effect.uninterruptible)
  if (!volume.readOnly && !isNew) yield* mounter.grow({ device, path: stagingPath, fsType: usage.fsType })
})

/** The UUID of the file system on the device, and whether it was made now, because the device is proven blank. */
const ensureFormatted = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedFilesystem,
  device: NvmeDevice,
  previous: Option.Option<StageRecord>
) {
  const mounter = yield* Mounter
  const content = yield* mounter.probe(device)
  switch (content._tag) {
    case "Foreign":
      return yield* new ForeignContent({
        device: device.path,
        message: `volume ${volume.id} holds ${content.what}, not a file system; it is not formatted over. ` +
          "Use it with volumeMode Block, or wipe it yourself"
      })
    case "Formatted": {
      if (content.fsType !== volume.usage.fsType) return yield* wrongType(volume, device, content.fsType)
      const inUse = (yield* mounter.mountsOf(device)).length > 0
      if (!inUse && !volume.readOnly) yield* mounter.check(device, volume.usage.fsType)
      return { uuid: content.uuid, isNew: false }
    }
    case "Empty": {
      const lost = recordedUuid(previous)
      if (Option.isSome(lost)) {
        const problem =
          `had a file system (UUID ${lost.value}) and is blank now; it is not formatted. Look after the ` +
          "volume on the appliance; unstage it to start anew"
        return yield* refuse(config, volume.id, problem)
      }
      if (volume.readOnly) return yield* refuse(config, volume.id, "is blank and wanted read-only; write to it first")
      return { uuid: yield* format(volume, device), isNew: true }
    }
  }
})

/** Not to be interrupted: a file system that is half made is neither blank nor usable. */
const format = Effect.fnUntraced(function*(volume: WantedFilesystem, device: NvmeDevice) {
  const mounter = yield* Mounter
  yield* verifySame(volume, device)
  yield* Effect.annotateLogs(Effect.logInfo("formatting a blank volume"), { fsType: volume.usage.fsType })
  return yield* mounter.format(device, volume.usage.fsType)
}, Effect.uninterruptible)

/** Names of devices change hands when connections are lost: what was looked at must still be this volume's. */
const verifySame = Effect.fnUntraced(function*({ nqn }: WantedVolume, device: NvmeDevice) {
  const fabric = yield* NvmeFabric
  const now = yield* fabric.device(nqn)
  if (Option.exists(now, (found) => sameDevice(found, device) && found.identity === device.identity)) return
  return yield* new DeviceMissing({ nqn, message: `the block device of subsystem ${nqn} changed; try again` })
})

const wrongType = (volume: WantedFilesystem, device: NvmeDevice, found: string) =>
  new ForeignContent({
    device: device.path,
    message: `volume ${volume.id} holds ${found}, but ${volume.usage.fsType} was asked for; ` +
      "it is not formatted over. Ask for the type that it has"
  })

/** The state of the staging path, after a mount of a lost device there was removed if nobody uses it. */
export const clearedStaging = Effect.fnUntraced(function*(
  config: NodeConfig,
  { id, nqn, stagingPath }: WantedVolume,
  device: Option.Option<NvmeDevice>
): Effect.fn.Return<Exclude<PathState, { _tag: "Stale" | "Foreign" }>, ClearFailure, Mounter | NvmeFabric> {
  const mounter = yield* Mounter
  const state = yield* examine(stagingPath, nqn, device)
  if (state._tag === "Foreign") {
    const problem = `cannot be staged at ${stagingPath}: the volume with NQN ${state.nqn} is mounted there`
    return yield* new VolumeIncompatible({ message: `volume ${id} on node ${config.nodeId} ${problem}` })
  }
  if (state._tag !== "Stale") return state
  const users = yield* usersOf(state.entry.device, stagingPath)
  if (users.length > 0) {
    const problem = `was lost and came back as another device while in use (${users.join(", ")}); ` +
      "delete the pods that use it, and it is mounted afresh"
    return yield* refuse(config, id, problem)
  }
  yield* Effect.annotateLogs(Effect.logWarning("unmounting a lost device"), { stagingPath })
  yield* countedMount("unmount")(mounter.unmount(stagingPath))
  return { _tag: "Nothing" }
})

type ClearFailure =
  | VolumeIncompatible
  | ReturnType<typeof refuse>
  | Effect.Error<ReturnType<typeof examine> | ReturnType<typeof usersOf> | ReturnType<Mounter["Service"]["unmount"]>>
