import { Result } from "effect"
import { InvalidArgument } from "./Errors.ts"

export const accessModes = [
  "SINGLE_NODE_WRITER",
  "SINGLE_NODE_READER_ONLY",
  "MULTI_NODE_MULTI_WRITER",
  "SINGLE_NODE_SINGLE_WRITER",
  "SINGLE_NODE_MULTI_WRITER"
] as const

export const fsTypes = ["ext4", "ext3", "xfs"] as const

/** The CSI specification allows the mount flags of a capability this many bytes in total. */
const maxMountFlagBytes = 4096

/** The access modes that this driver serves, by their names in the CSI specification (VolumeCapability.AccessMode.Mode). */
export type AccessMode = typeof accessModes[number]
export type FsType = typeof fsTypes[number]

export type AccessType = { readonly _tag: "Block" } | {
  readonly _tag: "Mount"
  readonly fsType: FsType
  readonly mountFlags: ReadonlyArray<string>
}

/** How a volume is to be used: one CSI VolumeCapability that this driver can serve. */
export interface Capability {
  readonly accessMode: AccessMode
  readonly accessType: AccessType
}

/** The access mode with this name; for any other, the failure lists those that are served. */
export const decodeAccessMode = (name: string): Result.Result<AccessMode, InvalidArgument> => {
  const mode = accessModes.find((served) => served === name)
  return mode === undefined
    ? invalid("access_mode", `is ${name}, which this driver does not serve: use one of ${accessModes.join(", ")}`)
    : Result.succeed(mode)
}

/**
 * The file system access that a CSI VolumeCapability.MountVolume asks for. An empty file system type means ext4. Volume
 * mount groups are refused, as the driver does not announce them.
 */
export const mountAccess = (mount: {
  readonly fsType: string
  readonly mountFlags: ReadonlyArray<string>
  readonly volumeMountGroup: string
}): Result.Result<AccessType, InvalidArgument> =>
  Result.gen(function*() {
    if (mount.volumeMountGroup !== "") {
      return yield* invalid("mount.volume_mount_group", "is not supported: leave it empty and use fsGroup")
    }
    const fsType = yield* decodeFsType(mount.fsType)
    return { _tag: "Mount", fsType, mountFlags: yield* checkMountFlags(mount.mountFlags) }
  })

/** Whether only one node at a time may hold the volume. */
export const isSingleNode = (mode: AccessMode): boolean => mode !== "MULTI_NODE_MULTI_WRITER"

/** Whether the mode itself forbids writing. */
export const isReadOnly = (mode: AccessMode): boolean => mode === "SINGLE_NODE_READER_ONLY"

/** MULTI_NODE_MULTI_WRITER is for raw block volumes only: a local file system that two nodes mount is destroyed. */
export const checkCombination = (capability: Capability): Result.Result<Capability, InvalidArgument> =>
  isSingleNode(capability.accessMode) || capability.accessType._tag === "Block"
    ? Result.succeed(capability)
    : invalid(
      "access_mode",
      `${capability.accessMode} with file system ${capability.accessType.fsType} would destroy the file system, as two ` +
        "nodes would write to it: ReadWriteMany is served for raw block volumes (volumeMode: Block) only, for KubeVirt " +
        "live migration; for a file system use ReadWriteOnce or ReadWriteOncePod"
    )

const decodeFsType = (text: string): Result.Result<FsType, InvalidArgument> => {
  const fsType = text === "" ? "ext4" : fsTypes.find((known) => known === text)
  return fsType === undefined
    ? invalid("mount.fs_type", `is ${JSON.stringify(text)}: use one of ${fsTypes.join(", ")}`)
    : Result.succeed(fsType)
}

/** The CSI specification calls mount flags possibly sensitive: no message repeats them. */
const checkMountFlags = (flags: ReadonlyArray<string>): Result.Result<ReadonlyArray<string>, InvalidArgument> => {
  if (flags.some((flag) => !/^[\x21-\x7e]+$/.test(flag))) {
    return invalid("mount.mount_flags", "must be words of printable ASCII without blanks")
  }
  return flags.reduce((sum, flag) => sum + flag.length, 0) > maxMountFlagBytes
    ? invalid("mount.mount_flags", `must have at most ${maxMountFlagBytes} bytes in total`)
    : Result.succeed(flags)
}

const invalid = (name: string, problem: string) => {
  const field = `volume_capability.${name}`
  return Result.fail(new InvalidArgument({ field, message: `${field} ${problem}` }))
}
