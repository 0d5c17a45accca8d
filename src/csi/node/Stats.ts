import { Effect } from "effect"
import { type FilesystemStats, type MountEntry, Mounter } from "../../mount/Mounter.ts"
import { isLive, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { Nqn } from "../../volume/Nqn.ts"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { type NodeGetVolumeStatsRequest, VolumeUsage_Unit as Unit } from "../gen/csi_pb.ts"
import { existingVolumeId, required } from "../Requests.ts"
import { locate, type Location } from "./Location.ts"

/**
 * CSI spec, NodeGetVolumeStats: the space of a file system, or the size of a block volume, and whether the volume is well.
 * A volume whose connection is down is not asked for its space, since the answer would wait for the connection.
 */
export const getVolumeStats = Effect.fnUntraced(function*(request: NodeGetVolumeStatsRequest) {
  const volumeId = yield* required("volume_id", request.volumeId)
  const path = yield* required("volume_path", request.volumePath)
  const id = yield* existingVolumeId(volumeId)
  return yield* statsAt(id, path, yield* locate(id, path))
})

const statsAt = Effect.fnUntraced(function*(id: VolumeId, path: string, location: Location) {
  if (location._tag === "Lost") {
    const problem =
      "the volume was lost and came back as another device, or not at all; delete the pods that use it, and " +
      "it is mounted afresh"
    return { usage: [sizeOnly(location.sizeBytes)], volumeCondition: abnormal(problem) }
  }
  const down = yield* connectionProblem(id)
  const size = [sizeOnly(location.device.sizeBytes)]
  if (down !== undefined) return { usage: size, volumeCondition: abnormal(down) }
  if (location._tag === "Block") return { usage: size, volumeCondition: normal }
  return yield* filesystemStats(path, location.entry).pipe(
    Effect.catchTag("MountFailed", ({ message }) => Effect.succeed({ usage: size, volumeCondition: abnormal(message) }))
  )
})

/** What is wrong with the volume's connection; undefined when it carries I/O. */
const connectionProblem = Effect.fnUntraced(function*(id: VolumeId) {
  const fabric = yield* NvmeFabric
  const controllers = yield* fabric.controllers(Nqn.ofVolume(id))
  if (isLive(controllers)) return undefined
  const states = controllers.map(({ name, state }) => `${name} is ${state}`).join(", ")
  return `the connection to the appliance is down (${states || "no controller"}); I/O waits until it is back`
})

const filesystemStats = Effect.fnUntraced(function*(path: string, { readOnly, filesystemReadOnly }: MountEntry) {
  const mounter = yield* Mounter
  const stats = yield* mounter.stats(path)
  const degraded = filesystemReadOnly && !readOnly
  return {
    usage: usageOf(stats),
    volumeCondition: degraded ? abnormal("the file system became read-only after an error; check it") : normal
  }
})

const usageOf = (stats: FilesystemStats) => [
  { unit: Unit.BYTES, total: stats.totalBytes, used: stats.usedBytes, available: stats.availableBytes },
  { unit: Unit.INODES, total: stats.totalInodes, used: stats.usedInodes, available: stats.availableInodes }
]

const sizeOnly = (sizeBytes: bigint) => ({ unit: Unit.BYTES, total: sizeBytes })

const normal = { abnormal: false, message: "the volume is connected and usable" }
const abnormal = (message: string) => ({ abnormal: true, message })
