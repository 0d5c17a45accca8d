import { Effect, Option } from "effect"
import { isAbsolute } from "node:path"
import { Mounter } from "../../mount/Mounter.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { Nqn } from "../../volume/Nqn.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import type { NodeUnpublishVolumeRequest } from "../gen/csi_pb.ts"
import { required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { countedMount, examine, ownersOf } from "./Mounts.ts"
import { exclusively } from "./Volume.ts"

/**
 * CSI spec, NodeUnpublishVolume: unmounts the target until nothing is mounted there, then removes the one directory or file
 * that publishing made. What is not there succeeds; what belongs to another volume is left alone.
 */
export const unpublishVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodeUnpublishVolumeRequest) {
    const id = VolumeId.parse(yield* required("volume_id", request.volumeId))
    const targetPath = yield* required("target_path", request.targetPath)
    if (Option.isSome(id) && isAbsolute(targetPath)) {
      yield* exclusively(config, id.value)(unpublish(id.value, targetPath))
    }
    return {}
  })

const unpublish = Effect.fnUntraced(function*(id: VolumeId, targetPath: string) {
  const mounter = yield* Mounter
  if (yield* isOthers(id, targetPath)) {
    return yield* Effect.annotateLogs(Effect.logWarning("the target shows another volume and is left alone"), {
      targetPath
    })
  }
  yield* mounter.unmount(targetPath).pipe(
    countedMount("unmount"),
    Effect.uninterruptible
  )
  yield* Effect.uninterruptible(mounter.removeTarget(targetPath))
  yield* forgetTarget(id, targetPath)
})

/** Whether the target shows another volume's device. A block special file that this volume's record lists is its own. */
const isOthers = Effect.fnUntraced(function*(id: VolumeId, targetPath: string) {
  const mounter = yield* Mounter
  const fabric = yield* NvmeFabric
  const records = yield* StageRecords
  const nqn = Nqn.ofVolume(id)
  const state = yield* examine(targetPath, nqn, yield* fabric.device(nqn))
  if (state._tag !== "Nothing") return state._tag === "Foreign"
  const node = yield* mounter.blockNode(targetPath)
  if (Option.isNone(node)) return false
  const listed = Option.exists(
    yield* records.get(id),
    ({ publications }) => publications.some((publication) => publication.targetPath === targetPath)
  )
  return !listed && (yield* ownersOf([node.value])).some((owner) => owner !== nqn)
})

const forgetTarget = Effect.fnUntraced(function*(id: VolumeId, target: string) {
  const records = yield* StageRecords
  const record = yield* records.get(id)
  if (Option.isNone(record)) return
  const publications = record.value.publications.filter(({ targetPath }) => targetPath !== target)
  if (publications.length < record.value.publications.length) yield* records.put({ ...record.value, publications })
})
