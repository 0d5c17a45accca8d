import { Effect, Option, Schedule } from "effect"
import { measured, snapshotOperationDurationSeconds, snapshotOperationsTotal } from "../../observability/Metrics.ts"
import { CopyRunning } from "../../rds/Errors.ts"
import { type CreateSpec, type Origin, RdsClient, type RdsVolume } from "../../rds/RdsClient.ts"
import { type CapacityRange, resolveCapacity, satisfies } from "../../volume/Capacity.ts"
import * as Content from "../../volume/Content.ts"
import { InvalidArgument } from "../../volume/Errors.ts"
import * as ItemComment from "../../volume/ItemComment.ts"
import { imagePath, subvolumeImagePath } from "../../volume/PathRules.ts"
import * as VolumeContext from "../../volume/VolumeContext.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { CreateVolumeRequest } from "../gen/csi_pb.ts"
import { capabilities, newName } from "../Requests.ts"
import type { ControllerConfig } from "./Config.ts"
import { contentSource, holderOf, originOf } from "./ContentSource.ts"
import { inTurn } from "./InTurn.ts"
import { classParameters } from "./Parameters.ts"

/**
 * CSI spec, CreateVolume. The volume id is a pure function of the name, so that a retry after a crash finds what an earlier
 * call made instead of making a twin. Answers the exact size of the volume on the appliance.
 */
export const createVolume = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: CreateVolumeRequest) {
    const id = VolumeId.fromName(yield* newName(request.name))
    yield* capabilities(request.volumeCapabilities)
    yield* refuseUnsupported(request)
    const sizeBytes = yield* Effect.fromResult(resolveCapacity(request.capacityRange))
    const parameters = yield* classParameters(config, request.parameters)
    const spec = { id, directory: parameters.volumePath, sizeBytes, port: parameters.nvmePort }
    const content = yield* contentSource(request.volumeContentSource)

    const origin = Option.map(content, (source) => originOf(source, request.capacityRange, sizeBytes))
    const lock = yield* VolumeLock
    const made = lock.tryLock(id)(createOnce(spec, request.capacityRange, origin))
    const volume = yield* Option.match(content, { onNone: () => made, onSome: (source) => fromSource(source)(made) })
    return {
      volume: {
        volumeId: id,
        capacityBytes: volume.sizeBytes,
        volumeContext: VolumeContext.encode(parameters, {
          nqn: volume.nqn,
          imagePath: volume.path,
          port: volume.port
        }),
        ...(request.volumeContentSource === undefined ? {} : { contentSource: request.volumeContentSource })
      }
    }
  })

/** Keeps the source as it is meanwhile, and waits a little for what has to be copied. */
const fromSource = (content: Content.Content) => <A, E, R>(made: Effect.Effect<A, E, R>) =>
  Effect.flatMap(VolumeLock, (lock) => {
    const turn = lock.withLockWithin(content.id, "8 seconds")(made)
    return content._tag === "Volume" ? inTurn(content.id)(turn) : turn
  }).pipe(
    Effect.retry({ while: isCopyRunning, schedule: Schedule.spaced("1 second"), times: 5 }),
    measured({
      total: snapshotOperationsTotal,
      seconds: snapshotOperationDurationSeconds,
      attributes: { operation: content._tag === "Volume" ? "clone" : "restore" }
    })
  )

const isCopyRunning = (error: unknown) => error instanceof CopyRunning

const createOnce = Effect.fnUntraced(
  function*(spec: CreateSpec, range: CapacityRange | undefined, origin: Option.Option<Origin>) {
    const rds = yield* RdsClient
    const found = yield* Option.match(origin, {
      onNone: () => rds.create(spec),
      onSome: (source) => Effect.flatMap(holderOf(source.content), (holder) => rds.createFrom(spec, source, holder))
    })
    const misplaced = placeDifference(found, spec) ?? originDifference(found, origin)
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
  }
)

const placeDifference = (volume: RdsVolume, spec: CreateSpec) => {
  const path = imagePath(spec.directory, spec.id)
  const paths: ReadonlyArray<string> = [path, subvolumeImagePath(spec.directory, spec.id)]
  if (!paths.includes(volume.path)) return `its image at ${volume.path} where volumePath asks for ${path}`
  return volume.port === spec.port ? undefined : `port ${volume.port} where nvmePort asks for ${spec.port}`
}

/** The Go driver wrote down nowhere what a volume was made of. */
const originDifference = ({ comment, owner }: RdsVolume, origin: Option.Option<Origin>) => {
  if (Option.isNone(owner)) return undefined
  const nothing = "nothing"
  const wanted = Option.match(origin, { onNone: () => nothing, onSome: ({ content }) => Content.describe(content) })
  const present = Option.match(ItemComment.originOf(comment), { onNone: () => nothing, onSome: Content.describe })
  return present === wanted ? undefined : `the content of ${present} where that of ${wanted} is asked for`
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
  const [key] = Object.keys(request.mutableParameters)
  if (key !== undefined) {
    return yield* new InvalidArgument({
      field: "mutable_parameters",
      message: `mutable_parameters has the unknown key ${key}: none are supported`
    })
  }
})
