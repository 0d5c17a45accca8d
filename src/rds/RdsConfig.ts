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
}

export const defaultReserveBytes = 1n << 30n
