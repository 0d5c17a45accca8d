import { Effect, Option } from "effect"
import { measured, snapshotOperationDurationSeconds, snapshotOperationsTotal } from "../../observability/Metrics.ts"
import { RdsClient } from "../../rds/RdsClient.ts"
import * as Content from "../../volume/Content.ts"
import * as SnapshotClassParameters from "../../volume/SnapshotClassParameters.ts"
import { SnapshotId } from "../../volume/SnapshotId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import type { CreateSnapshotRequest } from "../gen/csi_pb.ts"
import { existingVolumeId, newName, required } from "../Requests.ts"
import type { ControllerConfig } from "./Config.ts"
import { holderOf } from "./ContentSource.ts"
import { inTurn } from "./InTurn.ts"
import { describeSnapshot } from "./ListSnapshots.ts"

/** How long a cut waits for other operations on its source. */
const wait = "8 seconds"

/**
 * CSI spec, CreateSnapshot. The snapshot's id is a pure function of its name. The call answers once the cut is made; as long as
 * a copy runs it answers that the snapshot is not ready, and the CO asks again.
 */
export const createSnapshot = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: CreateSnapshotRequest) {
    const id = SnapshotId.fromName(yield* newName(request.name))
    const sourceVolumeId = yield* required("source_volume_id", request.sourceVolumeId)
    const parameters = yield* Effect.fromResult(SnapshotClassParameters.decode(request.parameters, config.base))
    yield* Effect.forEach(parameters.warnings, (warning) => Effect.logWarning(`VolumeSnapshotClass: ${warning}`))
    const source = yield* existingVolumeId(sourceVolumeId)

    const rds = yield* RdsClient
    const lock = yield* VolumeLock
    const spec = { id, source, directory: parameters.directory }
    const snapshot = yield* rds.snapshot(spec, yield* holderOf(Content.ofVolume(source))).pipe(
      lock.withLockWithin(source, wait),
      inTurn(source),
      lock.tryLock(id),
      measured({
        total: snapshotOperationsTotal,
        seconds: snapshotOperationDurationSeconds,
        attributes: { operation: "create" }
      })
    )
    return { snapshot: describeSnapshot({ ...snapshot, source: Option.some(source) }) }
  })
