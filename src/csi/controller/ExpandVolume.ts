import { Effect, Option } from "effect"
import { RdsClient } from "../../rds/RdsClient.ts"
import { resolveExpand } from "../../volume/Capacity.ts"
import { OutOfRange } from "../../volume/Errors.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import { VolumeNotFound } from "../Errors.ts"
import type { ControllerExpandVolumeRequest } from "../gen/csi_pb.ts"
import { capability, existingVolumeId, missing, required } from "../Requests.ts"

/**
 * CSI spec, ControllerExpandVolume. Never shrinks: a volume that is large enough is answered as it is. The node has to act
 * for block volumes too, since an NVMe initiator shows the new size only after a rescan of the namespace.
 */
export const expandVolume = Effect.fnUntraced(function*(request: ControllerExpandVolumeRequest) {
  const volumeId = yield* required("volume_id", request.volumeId)
  if (request.capacityRange === undefined) return yield* missing("capacity_range")
  if (request.volumeCapability !== undefined) yield* capability(request.volumeCapability)
  const wanted = yield* Effect.fromResult(resolveExpand(request.capacityRange))
  const id = yield* existingVolumeId(volumeId)

  const lock = yield* VolumeLock
  const rds = yield* RdsClient
  const volume = yield* lock.tryLock(id)(rds.grow(id, wanted))
  if (Option.isNone(volume)) return yield* new VolumeNotFound({ volumeId })
  yield* refuseAboveLimit(volumeId, volume.value.sizeBytes, request.capacityRange.limitBytes)
  return { capacityBytes: volume.value.sizeBytes, nodeExpansionRequired: true }
})

const refuseAboveLimit = Effect.fnUntraced(function*(volumeId: string, sizeBytes: bigint, limitBytes: bigint) {
  if (limitBytes > 0n && sizeBytes > limitBytes) {
    return yield* new OutOfRange({
      message: `volume ${volumeId} has ${sizeBytes} bytes, more than limit_bytes ${limitBytes}: a volume cannot shrink`
    })
  }
})
