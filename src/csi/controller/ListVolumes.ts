import { Effect, Option } from "effect"
import { Fencing } from "../../attachment/Fencing.ts"
import { RdsClient, type RdsVolume } from "../../rds/RdsClient.ts"
import * as Content from "../../volume/Content.ts"
import * as ItemComment from "../../volume/ItemComment.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeNotFound } from "../Errors.ts"
import type { ControllerGetVolumeRequest, ListVolumesRequest } from "../gen/csi_pb.ts"
import { existingVolumeId, required } from "../Requests.ts"
import { pageOf } from "./Pages.ts"

/**
 * CSI spec, ListVolumes. Either all volumes are listed or the call fails: a list with holes makes the attacher attach
 * everything again.
 */
export const listVolumes = Effect.fnUntraced(function*(request: ListVolumesRequest) {
  const rds = yield* RdsClient
  const { page, nextToken } = yield* pageOf(request, VolumeId.parse, rds.list)
  const holders = yield* (yield* Fencing).allHolders
  return { entries: page.map((volume) => describe(volume, holders.get(volume.id) ?? [])), nextToken }
})

/** CSI spec, ControllerGetVolume: the volume with the nodes that hold it and its condition on the appliance. */
export const getVolume = Effect.fnUntraced(function*(request: ControllerGetVolumeRequest) {
  const id = yield* existingVolumeId(yield* required("volume_id", request.volumeId))
  const rds = yield* RdsClient
  const volume = yield* rds.get(id)
  if (Option.isNone(volume)) return yield* new VolumeNotFound({ volumeId: id })
  const fencing = yield* Fencing
  return describe(volume.value, yield* fencing.holders(id))
})

const describe = (volume: RdsVolume, holders: ReadonlyArray<string>) => ({
  volume: { volumeId: volume.id, capacityBytes: volume.sizeBytes },
  status: {
    publishedNodeIds: [...holders],
    volumeCondition: conditionOf(volume)
  }
})

const conditionOf = ({ comment, exported, slot }: RdsVolume) => {
  if (exported) return { abnormal: false, message: "exported by the appliance" }
  const copy = ItemComment.copyOf(comment)
  return Option.isSome(copy)
    ? {
      abnormal: false,
      message: `being copied to ${Content.describe(copy.value)}; until then no node can connect to it`
    }
    : { abnormal: true, message: `slot ${slot} is not exported by the appliance: no node can connect to it` }
}
