import { Effect, Option } from "effect"
import { type CreateSpec, RdsClient, type RdsVolume } from "../../rds/RdsClient.ts"
import { type CapacityRange, resolveCapacity, satisfies } from "../../volume/Capacity.ts"
import { InvalidArgument } from "../../volume/Errors.ts"
import { imagePath } from "../../volume/PathRules.ts"
import * as VolumeContext from "../../volume/VolumeContext.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { CreateVolumeRequest } from "../gen/csi_pb.ts"
import { capabilities, volumeName } from "../Requests.ts"
import type { ControllerConfig } from "./Config.ts"
import { classParameters } from "./Parameters.ts"

/**
 * CSI spec, CreateVolume. The volume id is a pure function of the name, so that a retry after a crash finds what an earlier
 * call made instead of making a twin. Answers the exact size of the volume on the appliance.
 */
export const createVolume = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: CreateVolumeRequest) {
    const id = VolumeId.fromName(yield* volumeName(request.name))
    yield* capabilities(request.volumeCapabilities)
    yield* refuseUnsupported(request)
    const sizeBytes = yield* Effect.fromResult(resolveCapacity(request.capacityRange))
    const parameters = yield* classParameters(config, request.parameters)
    const spec = { id, directory: parameters.volumePath, sizeBytes, port: parameters.nvmePort }

    const lock = yield* VolumeLock
    const volume = yield* lock.tryLock(id)(createOnce(spec, request.capacityRange))
    return {
      volume: {
        volumeId: id,
        capacityBytes: volume.sizeBytes,
        volumeContext: VolumeContext.encode(parameters, {
          nqn: volume.nqn,
          imagePath: volume.path,
          port: volume.port
        })
      }
    }
  })

const createOnce = Effect.fnUntraced(function*(spec: CreateSpec, range: CapacityRange | undefined) {
  const rds = yield* RdsClient
  const found = yield* rds.create(spec)
  const misplaced = placeDifference(found, spec)
  const volume = misplaced === undefined && roundedByGoDriver(found, spec)
    ? Option.getOrElse(yield* rds.grow(spec.id, spec.sizeBytes), () => found)
    : found
  const difference = misplaced ?? sizeDifference(volume, spec, range)
  if (difference !== undefined) {
    return yield* new VolumeIncompatible({
      message: `volume ${spec.id} exists already, with ${difference}; delete it, or ask for what it is`
    })
  }
  return volume
})

const placeDifference = (volume: RdsVolume, spec: CreateSpec) => {
  const path = imagePath(spec.directory, spec.id)
  if (volume.path !== path) return `its image at ${volume.path} where volumePath asks for ${path}`
  return volume.port === spec.port ? undefined : `port ${volume.port} where nvmePort asks for ${spec.port}`
}

const sizeDifference = (volume: RdsVolume, spec: CreateSpec, range: CapacityRange | undefined) =>
  satisfies(range, volume.sizeBytes)
    ? undefined
    : `${volume.sizeBytes} bytes where ${spec.sizeBytes} bytes are asked for`

// The Go driver sent sizes cut to a whole unit (1500 GiB became 1 TiB) and then refused its own volume for ever.
const roundedByGoDriver = (volume: RdsVolume, spec: CreateSpec) => {
  if (Option.isSome(volume.owner) || volume.sizeBytes >= spec.sizeBytes) return false
  const unit = [40n, 30n, 20n, 10n].map((bits) => 1n << bits).find((size) => spec.sizeBytes >= size) ?? 1n
  return volume.sizeBytes === spec.sizeBytes - (spec.sizeBytes % unit)
}

const refuseUnsupported = Effect.fnUntraced(function*(request: CreateVolumeRequest) {
  if (request.volumeContentSource !== undefined) {
    return yield* new InvalidArgument({
      field: "volume_content_source",
      message: "volume_content_source is not supported: a volume can only be created empty"
    })
  }
  const [key] = Object.keys(request.mutableParameters)
  if (key !== undefined) {
    return yield* new InvalidArgument({
      field: "mutable_parameters",
      message: `mutable_parameters has the unknown key ${key}: none are supported`
    })
  }
})
