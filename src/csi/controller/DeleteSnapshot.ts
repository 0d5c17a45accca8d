import { Effect, Option } from "effect"
import { measured, snapshotOperationDurationSeconds, snapshotOperationsTotal } from "../../observability/Metrics.ts"
import { RdsClient } from "../../rds/RdsClient.ts"
import { SnapshotId } from "../../volume/SnapshotId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import type { DeleteSnapshotRequest } from "../gen/csi_pb.ts"
import { required } from "../Requests.ts"

/** CSI spec, DeleteSnapshot. An id that no snapshot can have is one that does not exist, and deleting that succeeds. */
export const deleteSnapshot = Effect.fnUntraced(function*(request: DeleteSnapshotRequest) {
  const id = SnapshotId.parse(yield* required("snapshot_id", request.snapshotId))
  if (Option.isNone(id)) return {}
  const rds = yield* RdsClient
  const lock = yield* VolumeLock
  yield* rds.removeSnapshot(id.value).pipe(
    lock.tryLock(id.value),
    measured({
      total: snapshotOperationsTotal,
      seconds: snapshotOperationDurationSeconds,
      attributes: { operation: "delete" }
    })
  )
  return {}
})
