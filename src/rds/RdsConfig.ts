import type { ClusterId } from "../volume/OwnershipTag.ts"
import type { VolumePath } from "../volume/PathRules.ts"

/** What this driver calls its own on an appliance that it may share with others. */
export interface RdsConfig {
  /** Written into the ownership tag of every new volume; volumes that another cluster has tagged are never removed. */
  readonly clusterId: ClusterId
  /** Nothing outside this directory is ever removed. */
  readonly base: VolumePath
  /** Bytes of a pool that volumes may not take, so that its file system keeps working. */
  readonly reserveBytes: bigint
  /** Whether new volumes let in every host or, until {@link RdsClient.limitHosts} says who, nobody. */
  readonly newVolumesLetIn: "any" | "nobody"
  readonly snapshots: SnapshotMode
}

/**
 * How snapshots and clones are made: `btrfs`, by subvolumes of a btrfs pool; `copy`, by copies of the backing file; `auto`,
 * whichever a volume and its pool allow, `btrfs` first; `off`, not at all. New volumes get a subvolume of their own in `auto`
 * and `btrfs`.
 */
export type SnapshotMode = (typeof snapshotModes)[number]
export const snapshotModes = ["auto", "btrfs", "copy", "off"] as const

export const defaultReserveBytes = 1n << 30n
