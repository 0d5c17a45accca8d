import { Option, Result } from "effect"
import * as Content from "../volume/Content.ts"
import { isInSubvolume, type VolumePath } from "../volume/PathRules.ts"
import { labelOf } from "./Btrfs.ts"
import { SnapshotsUnsupported } from "./Errors.ts"
import type { Pool } from "./Pools.ts"
import { isAtLeast } from "./Probe.ts"
import type { SnapshotMode } from "./RdsConfig.ts"

/** How content gets from one place of the appliance to another: in an instant, or by copying the backing file. */
export type SnapshotMethod = "btrfs" | "copy"

/** What decides about it. */
export interface Circumstances {
  readonly mode: SnapshotMode
  /** RouterOS' version; empty if it is not known. */
  readonly version: string
  /** What is taken, and its backing file. */
  readonly content: Content.Content
  readonly path: VolumePath
  /** The pools that this is on and that the result shall be on. */
  readonly from: Pool
  readonly to: Pool
}

/** The first release with `/file/copy`. */
const firstWithCopy = { major: 7, minor: 23 }

/** The best method that the mode and the pools allow; the error says why there is none, and what helps. */
export const snapshotMethod = (given: Circumstances): Result.Result<SnapshotMethod, SnapshotsUnsupported> => {
  const { content, mode, version } = given
  const what = Content.describe(content)
  if (mode === "off") return unsupported(`snapshots and clones are switched off (--snapshots=off), also of ${what}`)
  const obstacle = obstacleToBtrfs(given)
  if (mode !== "copy" && Option.isNone(obstacle)) return Result.succeed("btrfs")
  const why = Option.getOrElse(obstacle, () => "--snapshots=copy is set")
  if (mode === "btrfs") {
    return unsupported(
      `${what} can only be copied, which --snapshots=btrfs does not allow: ${why}; use a volume on a btrfs pool`
    )
  }
  return isAtLeast(version, firstWithCopy) ? Result.succeed("copy") : unsupported(
    `${what} can only be copied, and RouterOS ${version} cannot copy files: ${why}; use a volume on a btrfs pool, or ` +
      `upgrade the appliance to RouterOS ${firstWithCopy.major}.${firstWithCopy.minor}`
  )
}

/** Why btrfs cannot do it. */
const obstacleToBtrfs = ({ content, from, path, to }: Circumstances): Option.Option<string> => {
  if (Option.isNone(labelOf(from))) {
    return Option.some(
      from.fs === "btrfs"
        ? `the file system of pool ${from.mountPoint} has no label`
        : `pool ${from.mountPoint} is ${from.fs}, not btrfs`
    )
  }
  if (!isInSubvolume(path, content.id)) return Option.some("it was made without a subvolume of its own")
  return from.mountPoint === to.mountPoint ? Option.none() : Option.some(`it is not on pool ${to.mountPoint}`)
}

const unsupported = (message: string) => Result.fail(new SnapshotsUnsupported({ message }))
