import type { Effect, Option } from "effect"
import type { Content } from "../volume/Content.ts"
import type { Nqn } from "../volume/Nqn.ts"
import type { Owner } from "../volume/OwnershipTag.ts"
import type { VolumePath } from "../volume/PathRules.ts"
import type { SnapshotId } from "../volume/SnapshotId.ts"
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
  /** NQNs of the hosts that may connect; none: every host. */
  readonly allowedHosts: Option.Option<ReadonlyArray<string>>
  /** From the item's comment; none for volumes made by the Go driver. */
  readonly owner: Option.Option<Owner>
  /** Of the item: the ownership tag and what `ItemComment` adds to it, or a person's words. */
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

/**
 * Who may connect to a volume. `whenOpen`: what an export that lets in every host becomes, limited as well or left open.
 */
export interface HostLimit {
  readonly hosts: ReadonlyArray<Nqn>
  readonly whenOpen: "limit" | "leave"
}

/** What a new volume shall be made of. */
export interface Origin {
  readonly content: Content
  /** The largest size that the content may have, in bytes: a smaller volume cannot hold it. */
  readonly maxBytes: bigint
}

/** The node that holds a volume, as it is now. */
export type Holder<E> = Effect.Effect<Option.Option<string>, E>

/** What a new snapshot shall be. */
export interface SnapshotSpec {
  readonly id: SnapshotId
  readonly source: VolumeId
  /** Below the volume base path; none: beside the volume. */
  readonly directory: Option.Option<VolumePath>
}

/** A snapshot as the appliance has it now. Its cut was made. */
export interface RdsSnapshot {
  readonly id: SnapshotId
  /** None for the Go driver's, which wrote it down nowhere. */
  readonly source: Option.Option<VolumeId>
  /** Size of the source at the cut, which is the smallest volume that can be made of it. */
  readonly sizeBytes: bigint
  /** When the source was cut, in milliseconds since the epoch. */
  readonly createdAt: number
  /** Whether a volume can be made of it; a copy takes its time. */
  readonly ready: boolean
}

/** The pool that holds a path; `freeBytes` has the reserve already taken off and is never negative. */
export interface PoolCapacity {
  readonly mountPoint: string
  readonly sizeBytes: bigint
  readonly freeBytes: bigint
}
