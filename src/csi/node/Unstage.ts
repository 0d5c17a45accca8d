import { Effect, Option } from "effect"
import { VolumeInUse } from "../../mount/Errors.ts"
import { type DeviceNumber, Mounter } from "../../mount/Mounter.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { Nqn } from "../../volume/Nqn.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import type { NodeUnstageVolumeRequest } from "../gen/csi_pb.ts"
import { required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { countedMount, examine, usersOf } from "./Mounts.ts"
import { exclusively, refuse } from "./Volume.ts"
import { VolumeWatch } from "./watch/VolumeWatch.ts"

/**
 * CSI spec, NodeUnstageVolume: unmounts the staging path and disconnects the volume, after making sure that nothing else on
 * the node uses it. It has the volume's id and a path only, and succeeds again from wherever an earlier call stopped. The
 * record goes last.
 */
export const unstageVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodeUnstageVolumeRequest) {
    const id = VolumeId.parse(yield* required("volume_id", request.volumeId))
    const stagingPath = yield* required("staging_target_path", request.stagingTargetPath)
    if (Option.isSome(id)) yield* exclusively(config, id.value)(unstage(config, id.value, stagingPath))
    return {}
  })

const unstage = Effect.fnUntraced(function*(config: NodeConfig, id: VolumeId, stagingPath: string) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const records = yield* StageRecords
  const nqn = Nqn.ofVolume(id)
  const device = yield* fabric.device(nqn)
  const staging = yield* examine(stagingPath, nqn, device)
  const mounted = staging._tag === "Current" || staging._tag === "Stale"

  if (Option.isSome(device)) yield* refuseWhileUsed(config, id, device.value, stagingPath)
  if (staging._tag === "Stale") yield* refuseWhileUsed(config, id, staging.entry.device, stagingPath)
  if (mounted) {
    yield* mounter.unmount(stagingPath).pipe(
      // Of a lost device nothing can be written any more: nothing is torn off by not waiting for it.
      Effect.catchTag(
        "MountFailed",
        (failure) => staging._tag === "Stale" ? mounter.forceUnmount(stagingPath) : Effect.fail(failure)
      ),
      countedMount("unmount"),
      Effect.uninterruptible
    )
  }
  yield* disconnect(config, id)
  yield* Effect.uninterruptible(
    Effect.andThen(records.remove(id), VolumeWatch.use((volumeWatch) => volumeWatch.stopped(id)))
  )
})

const refuseWhileUsed = Effect.fnUntraced(function*(
  config: NodeConfig,
  id: VolumeId,
  device: DeviceNumber,
  stagingPath: string
) {
  const users = yield* usersOf(device, stagingPath)
  if (users.length > 0) {
    return yield* new VolumeInUse({
      message: `volume ${id} on node ${config.nodeId} is still in use (${users.join(", ")}); it stays connected`
    })
  }
})

/**
 * The NQN of a `pvc-` volume proves that the subsystem is this driver's. That of a loose id may be any disk that the
 * appliance exports, the node's own root included: without a stage record it is not touched.
 */
const disconnect = Effect.fnUntraced(function*(config: NodeConfig, id: VolumeId) {
  const fabric = yield* NvmeFabric
  const records = yield* StageRecords
  const nqn = Nqn.ofVolume(id)
  if ((yield* fabric.controllers(nqn)).length === 0) return
  if (!Nqn.isOurs(nqn) && Option.isNone(yield* records.get(id))) {
    const problem =
      `has no stage record, and its NQN ${nqn} may be another disk's. If it is this volume, disconnect it ` +
      `with: nvme disconnect -n ${nqn}`
    return yield* refuse(config, id, problem)
  }
  yield* Effect.uninterruptible(fabric.disconnect(nqn))
})
