import { Effect, Option } from "effect"
import { isAbsolute } from "node:path"
import {
  type AccessType,
  type Capability,
  checkCombination,
  decodeAccessMode,
  mountAccess
} from "../volume/AccessMode.ts"
import { InvalidArgument } from "../volume/Errors.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { VolumeNotFound } from "./Errors.ts"
import { type VolumeCapability, VolumeCapability_AccessMode_Mode } from "./gen/csi_pb.ts"

/** CSI spec, size limits: a string field has at most 128 bytes. */
const maxNameBytes = 128

// CSI spec, CreateVolumeRequest.name: every Unicode character is allowed but these control characters.
const forbiddenInNames = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/

/** The error for a REQUIRED field that was not set. */
export const missing = (field: string) => new InvalidArgument({ field, message: `${field} is required` })

/** A REQUIRED string of the CSI spec: present, or `INVALID_ARGUMENT`. */
export const required = (field: string, value: string): Effect.Effect<string, InvalidArgument> =>
  value === "" ? Effect.fail(missing(field)) : Effect.succeed(value)

/** A REQUIRED path of the node: absolute, or `INVALID_ARGUMENT`. */
export const absolutePath = Effect.fnUntraced(function*(field: string, path: string) {
  yield* required(field, path)
  if (!isAbsolute(path)) {
    return yield* new InvalidArgument({ field, message: `${field} is ${path}; allowed are absolute paths` })
  }
  return path
})

/** The REQUIRED name of a new volume or snapshot, of any characters that the CSI spec allows in it. */
export const newName = Effect.fnUntraced(function*(name: string) {
  yield* required("name", name)
  const bytes = new TextEncoder().encode(name).length
  if (bytes > maxNameBytes) {
    return yield* new InvalidArgument({
      field: "name",
      message: `name has ${bytes} bytes; allowed are ${maxNameBytes}`
    })
  }
  if (forbiddenInNames.test(name)) {
    return yield* new InvalidArgument({
      field: "name",
      message: "name holds a control character, which is not allowed"
    })
  }
  return name
})

// The specification's names of the access modes by their number on the wire.
const modeNames = new Map<number, string>(
  Object.entries(VolumeCapability_AccessMode_Mode).map(([name, value]) => [value, name])
)

/** A REQUIRED VolumeCapability as the driver understands it; what it cannot serve is `INVALID_ARGUMENT`. */
export const capability = Effect.fnUntraced(function*(
  message: VolumeCapability | undefined
): Effect.fn.Return<Capability, InvalidArgument> {
  if (message === undefined) return yield* missing("volume_capability")
  const mode = message.accessMode?.mode ?? VolumeCapability_AccessMode_Mode.UNKNOWN
  if (mode === VolumeCapability_AccessMode_Mode.UNKNOWN) return yield* missing("volume_capability.access_mode")
  const accessMode = yield* Effect.fromResult(decodeAccessMode(modeNames.get(mode) ?? String(mode)))
  const accessType = yield* accessTypeOf(message)
  return yield* Effect.fromResult(checkCombination({ accessMode, accessType }))
})

const accessTypeOf = (message: VolumeCapability): Effect.Effect<AccessType, InvalidArgument> => {
  switch (message.accessType.case) {
    case "block":
      return Effect.succeed({ _tag: "Block" })
    case "mount":
      return Effect.fromResult(mountAccess(message.accessType.value))
    case undefined:
      return Effect.fail(missing("volume_capability.access_type"))
  }
}

/** The REQUIRED, non-empty list of capabilities of CreateVolume and ValidateVolumeCapabilities. */
export const capabilities = (
  messages: ReadonlyArray<VolumeCapability>
): Effect.Effect<ReadonlyArray<Capability>, InvalidArgument> =>
  messages.length === 0
    ? Effect.fail(missing("volume_capabilities"))
    : Effect.forEach(messages, capability)

/** The id of a volume that must exist. One that no volume can have is a volume that does not exist, not a bad request. */
export const existingVolumeId = (volumeId: string): Effect.Effect<VolumeId, VolumeNotFound> =>
  Option.match(VolumeId.parse(volumeId), {
    onNone: () => Effect.fail(new VolumeNotFound({ volumeId })),
    onSome: Effect.succeed
  })
