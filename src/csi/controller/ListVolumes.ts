import { Effect, Option } from "effect"
import { Fencing } from "../../attachment/Fencing.ts"
import { RdsClient, type RdsVolume } from "../../rds/RdsClient.ts"
import { InvalidArgument } from "../../volume/Errors.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { InvalidToken, VolumeNotFound } from "../Errors.ts"
import type { ControllerGetVolumeRequest, ListVolumesRequest } from "../gen/csi_pb.ts"
import { existingVolumeId, required } from "../Requests.ts"

const tokenPrefix = "after:"

/**
 * CSI spec, ListVolumes. A token names the last volume of its page and means "what sorts after it", so it stays good when
 * that volume is deleted meanwhile. Either all volumes are listed or the call fails: a list with holes makes the attacher
 * attach everything again.
 */
export const listVolumes = Effect.fnUntraced(function*(request: ListVolumesRequest) {
  if (request.maxEntries < 0) {
    return yield* new InvalidArgument({
      field: "max_entries",
      message: `max_entries is ${request.maxEntries}; allowed are 0 (no limit) and more`
    })
  }
  const after = yield* lastOf(request.startingToken)
  const rds = yield* RdsClient
  const rest = (yield* rds.list).filter((volume) => volume.id > after)
  const page = request.maxEntries === 0 ? rest : rest.slice(0, request.maxEntries)
  const last = page.at(-1)
  const holders = yield* (yield* Fencing).allHolders
  return {
    entries: page.map((volume) => describe(volume, holders.get(volume.id) ?? [])),
    nextToken: last !== undefined && page.length < rest.length ? `${tokenPrefix}${last.id}` : ""
  }
})

const lastOf = Effect.fnUntraced(function*(token: string) {
  if (token === "") return ""
  const id = token.startsWith(tokenPrefix) ? VolumeId.parse(token.slice(tokenPrefix.length)) : Option.none()
  if (Option.isSome(id)) return id.value
  return yield* new InvalidToken({ token })
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
    volumeCondition: volume.exported
      ? { abnormal: false, message: "exported by the appliance" }
      : { abnormal: true, message: `slot ${volume.slot} is not exported by the appliance: no node can connect to it` }
  }
})
