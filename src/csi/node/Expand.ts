import { Effect, Option } from "effect"
import { Mounter } from "../../mount/Mounter.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { waitForDevice } from "../../nvme/WaitForDevice.ts"
import { resolveExpand } from "../../volume/Capacity.ts"
import { InvalidArgument } from "../../volume/Errors.ts"
import { Nqn } from "../../volume/Nqn.ts"
import type { VolumeId } from "../../volume/VolumeId.ts"
import type { NodeExpandVolumeRequest } from "../gen/csi_pb.ts"
import { capability, existingVolumeId, required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { locate, type Location } from "./Location.ts"
import { exclusively, refuse } from "./Volume.ts"

/**
 * CSI spec, NodeExpandVolume: makes the kernel see the volume's new size, and the file system use it. Needed for block
 * volumes too, since an NVMe initiator may show the new size only after a rescan. A volume that is large enough is left as it
 * is. Works at the staging path and at every target, without capability.
 */
export const expandVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodeExpandVolumeRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    const path = yield* required("volume_path", request.volumePath)
    const wanted = request.volumeCapability === undefined
      ? undefined
      : (yield* capability(request.volumeCapability)).accessType._tag
    if (request.capacityRange !== undefined) yield* Effect.fromResult(resolveExpand(request.capacityRange))
    const id = yield* existingVolumeId(volumeId)
    const capacityBytes = yield* exclusively(config, id)(Effect.gen(function*() {
      const location = yield* locate(id, path)
      yield* checkKind(wanted, location)
      return yield* expand(config, id, path, location, request.capacityRange?.requiredBytes ?? 0n)
    }))
    return { capacityBytes }
  })

const checkKind = Effect.fnUntraced(function*(wanted: "Block" | "Mount" | undefined, { _tag }: Location) {
  if (wanted === undefined || _tag === "Lost" || (wanted === "Block") === (_tag === "Block")) return
  return yield* new InvalidArgument({
    field: "volume_capability",
    message: `volume_capability asks for ${wanted.toLowerCase()} access, but the volume at volume_path is a ` +
      (_tag === "Block" ? "block volume" : "file system")
  })
})

const expand = Effect.fnUntraced(function*(
  config: NodeConfig,
  id: VolumeId,
  path: string,
  location: Location,
  minimumBytes: bigint
) {
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const nqn = Nqn.ofVolume(id)
  if (location._tag === "Lost") {
    return yield* refuse(config, id, "was lost and came back as another device; delete the pods that use it first")
  }
  if (location._tag === "Filesystem" && location.entry.filesystemReadOnly) {
    return yield* refuse(config, id, "has a read-only file system, which cannot be grown")
  }
  yield* fabric.rescan(nqn)
  const device = yield* waitForDevice(nqn, { minimumBytes, limit: config.deviceTimeout })
  if (location._tag === "Filesystem") yield* mounter.grow({ device, path, fsType: location.entry.fsType })
  yield* recordSize(id, device)
  return device.sizeBytes
})

const recordSize = Effect.fnUntraced(function*(id: VolumeId, { sizeBytes }: NvmeDevice) {
  const records = yield* StageRecords
  const record = yield* records.get(id)
  if (Option.isSome(record) && record.value.device.sizeBytes !== sizeBytes) {
    yield* records.put({ ...record.value, device: { ...record.value.device, sizeBytes } })
  }
})
