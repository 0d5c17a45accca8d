import { Effect, Option } from "effect"
import { Fencing } from "../../attachment/Fencing.ts"
import { RdsClient } from "../../rds/RdsClient.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import { FailedPrecondition } from "../Errors.ts"
import type { DeleteVolumeRequest } from "../gen/csi_pb.ts"
import { required } from "../Requests.ts"
import { inTurn } from "./InTurn.ts"

/**
 * CSI spec, DeleteVolume. An id that no volume can have is a volume that does not exist, and deleting that succeeds. A volume
 * that a node still holds is left as it is.
 */
export const deleteVolume = Effect.fnUntraced(function*(request: DeleteVolumeRequest) {
  const id = VolumeId.parse(yield* required("volume_id", request.volumeId))
  if (Option.isNone(id)) return {}
  const lock = yield* VolumeLock
  return yield* inTurn(id.value)(lock.tryLock(id.value)(deleteUnattached(id.value)))
})

const deleteUnattached = Effect.fnUntraced(function*(id: VolumeId) {
  const fencing = yield* Fencing
  const rds = yield* RdsClient
  const [holder] = yield* fencing.holders(id)
  if (holder !== undefined) {
    return yield* new FailedPrecondition({
      message: `volume ${id} is attached to node ${holder}; it can be deleted when it is detached there`
    })
  }
  yield* rds.remove(id)
  return {}
})
