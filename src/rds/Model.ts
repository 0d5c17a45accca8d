import type { Option } from "effect"
import type { Nqn } from "../volume/Nqn.ts"
import type { Owner } from "../volume/OwnershipTag.ts"
import type { VolumePath } from "../volume/PathRules.ts"
import type { VolumeId } from "../volume/VolumeId.ts"

/** A volume as the appliance has it now. */
export interface RdsVolume {
  readonly id: VolumeId
  readonly slot: string
  readonly nqn: Nqn
  /** Absolute path of the backing file, with a leading slash. */
  readonly path: VolumePath
  readonly sizeBytes: bigint
  readonly exported: boolean
  /** TCP port of the NVMe/TCP export. */
  readonly port: number
  /** From the item's comment; none for volumes made by the Go driver. */
  readonly owner: Option.Option<Owner>
  /** The item's comment as it is, with what a person or another operation has written behind the tag. */
  readonly comment: string
}

/** A file that is named like the image of a volume and that no item of the appliance uses. */
export interface LeftoverFile {
  readonly id: VolumeId
  /** Absolute path, with a leading slash. */
  readonly path: string
  readonly sizeBytes: bigint
}

/** What a new volume shall be; `sizeBytes` is used exactly. */
export interface CreateSpec {
  readonly id: VolumeId
  /** Directory of the backing file, below the volume base path. */
  readonly directory: VolumePath
  readonly sizeBytes: bigint
  readonly port: number
}

/** The pool that holds a path; `freeBytes` has the reserve already taken off and is never negative. */
export interface PoolCapacity {
  readonly mountPoint: string
  readonly sizeBytes: bigint
  readonly freeBytes: bigint
}
