import { Effect, Option } from "effect"
import { type FilesystemStats, type MountEntry, Mounter } from "../../mount/Mounter.ts"
import { NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { Nqn } from "../../volume/Nqn.ts"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { type NodeGetVolumeStatsRequest, VolumeUsage_Unit as Unit } from "../gen/csi_pb.ts"
import { existingVolumeId, required } from "../Requests.ts"
import { locate, type Location } from "./Location.ts"
import { connectionOf } from "./watch/Health.ts"
import { VolumeWatch, type WatchedCondition } from "./watch/VolumeWatch.ts"

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
  const watched = yield* VolumeWatch.use((watch) => watch.condition(id))
  if (location._tag === "Lost") {
    const problem =
      "the volume was lost and came back as another device, or not at all; delete the pods that use it, and " +
      "it is mounted afresh"
    return { usage: [sizeOnly(location.sizeBytes)], volumeCondition: abnormal(withReconnect(problem, watched)) }
  }
  const down = yield* connectionProblem(id, watched)
  const size = [sizeOnly(location.device.sizeBytes)]
  if (down !== undefined) return { usage: size, volumeCondition: abnormal(down) }
  const condition = Option.match(watched.problem, { onNone: () => normal, onSome: abnormal })
  if (location._tag === "Block") return { usage: size, volumeCondition: condition }
  return yield* filesystemStats(path, location.entry, condition).pipe(
    Effect.catchTag("MountFailed", ({ message }) => Effect.succeed({ usage: size, volumeCondition: abnormal(message) }))
  )
})

const withReconnect = (problem: string, { reconnect }: WatchedCondition) =>
  [problem, ...Option.toArray(reconnect)].join("; ")

/** What is wrong with the volume's connection; undefined when it carries I/O. */
const connectionProblem = Effect.fnUntraced(function*(id: VolumeId, watched: WatchedCondition) {
  const fabric = yield* NvmeFabric
  const controllers = yield* fabric.controllers(Nqn.ofVolume(id))
  const state = connectionOf(controllers)
  if (state === "live") return undefined
  const names = controllers.map((controller) => `${controller.name} is ${controller.state}`).join(", ")
  return state === "connecting"
    ? `the connection to the appliance is down (${names}); I/O waits until it is back`
    : withReconnect("the connection to the appliance is gone; I/O fails", watched)
})

/** `otherwise`: the condition of the volume unless something shows at this path. */
const filesystemStats = Effect.fnUntraced(function*(
  path: string,
  { readOnly, filesystemReadOnly }: MountEntry,
  otherwise: Condition
) {
  const mounter = yield* Mounter
  const stats = yield* mounter.stats(path)
  const degraded = filesystemReadOnly && !readOnly
  return {
    usage: usageOf(stats),
    volumeCondition: degraded ? abnormal("the file system became read-only after an error; check it") : otherwise
  }
})

const usageOf = (stats: FilesystemStats) => [
  { unit: Unit.BYTES, total: stats.totalBytes, used: stats.usedBytes, available: stats.availableBytes },
  { unit: Unit.INODES, total: stats.totalInodes, used: stats.usedInodes, available: stats.availableInodes }
]

const sizeOnly = (sizeBytes: bigint) => ({ unit: Unit.BYTES, total: sizeBytes })

interface Condition {
  readonly abnormal: boolean
  readonly message: string
}

const normal: Condition = { abnormal: false, message: "the volume is connected and usable" }
const abnormal = (message: string): Condition => ({ abnormal: true, message })
