import { Option, Result } from "effect"
import { isInSubvolume, type VolumePath } from "../volume/PathRules.ts"
import type { SnapshotId } from "../volume/SnapshotId.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { labelOf } from "./Btrfs.ts"
import { SnapshotsUnsupported } from "./Errors.ts"
import type { Pool } from "./Pools.ts"
import type { SnapshotMode } from "./RdsConfig.ts"

/** How content gets from one place of the appliance to another: in an instant, or by copying the backing file. */
export type SnapshotMethod = "btrfs" | "copy"

/** What decides about it. */
export interface Circumstances {
  readonly mode: SnapshotMode
  /** For messages, such as `volume pvc-…`. */
  readonly what: string
  readonly id: VolumeId | SnapshotId
  /** The backing file to be taken, and the pools that it is on and that the result shall be on. */
  readonly path: VolumePath
  readonly from: Pool
  readonly to: Pool
}

/** The best method that the mode and the pools allow; the error says why there is none, and what helps. */
export const snapshotMethod = (given: Circumstances): Result.Result<SnapshotMethod, SnapshotsUnsupported> => {
  const { mode, what } = given
  if (mode === "off") {
    return unsupported(`snapshots and clones are switched off (--snapshots=off): ${what} is left as it is`)
  }
  const obstacle = obstacleToBtrfs(given)
  if (mode !== "copy" && Option.isNone(obstacle)) return Result.succeed("btrfs")
  return unsupported(
    `${what} cannot be cut: ${Option.getOrElse(obstacle, () => "--snapshots=copy")}; use a volume on a btrfs pool`
  )
}

/** Why btrfs cannot do it. */
const obstacleToBtrfs = ({ from, id, path, to }: Circumstances): Option.Option<string> => {
  if (Option.isNone(labelOf(from))) {
    return Option.some(
      from.fs === "btrfs" ? `pool ${from.mountPoint} has no label` : `pool ${from.mountPoint} is ${from.fs}, not btrfs`
    )
  }
  if (!isInSubvolume(path, id)) return Option.some("it was made without a subvolume of its own")
  return from.mountPoint === to.mountPoint ? Option.none() : Option.some(`it is on pool ${from.mountPoint}`)
}

const unsupported = (message: string) => Result.fail(new SnapshotsUnsupported({ message }))
