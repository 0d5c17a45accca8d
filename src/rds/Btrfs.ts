import { Effect, Option } from "effect"
import { asVolumePath, isUnder, type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import type { SnapshotId } from "../volume/SnapshotId.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { SubvolumeRows } from "./Appliance.ts"
import { ApplianceConflict } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { type Pool, readPools, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { join, ros, type RosScript, startingWith } from "./RouterOs.ts"

// RouterOS manual, Storage: Btrfs, Snapshots. Commands know a file system by its label. A subvolume is shown below its
// pool's mount point; one that is added with a parent holds what the parent holds at that moment, and shares the space.

/** A subvolume of a volume or snapshot. */
export interface Subvolume {
  readonly label: string
  readonly path: VolumePath
}

/** Of the pool's file system; none if subvolumes cannot be made on it. */
export const labelOf = ({ fs, label }: Pool): Option.Option<string> =>
  fs === "btrfs" ? Option.liftPredicate((text: string) => text !== "")(label) : Option.none()

/** Sets the variable `bl` to the label of the pool whose item is in `pi`, or to nothing if that has no subvolumes. */
export const labelOfPool: RosScript = ros`:local bl "";
  :if ([:tostr [/disk/get $pi fs]] = "btrfs") do={ :set bl [:tostr [/disk/get $pi fs-label]] };`

/** How many subvolumes are called so, in whatever directory. */
export const countSubvolumes = (name: string): RosScript => ros`[:len [/disk/btrfs/subvolume/find where name=${name}]]`

/** Reports the subvolumes that are called so, in whatever directory: names of ours occur once. */
export const reportSubvolumes = (names: ReadonlyArray<string>): RosScript =>
  report(
    "subvolumes",
    ros`[/disk/btrfs/subvolume/print detail as-value where ${join(names.map((name) => ros`name=${name}`), ros`or`)}]`
  )

/** The same, with the pools, which tell where they are; nothing at all if there are none. */
export const reportSubvolume = (name: string): RosScript =>
  ros`:if (${countSubvolumes(name)} > 0) do={ ${reportSubvolumes([name])}; ${reportPools} }`

/** The subvolume of that name below the base, from such a report. One elsewhere, or a second one, is a conflict. */
export const readSubvolume = Effect.fnUntraced(function*(
  facts: Facts,
  id: VolumeId | SnapshotId,
  { base }: RdsConfig
) {
  if (!facts.has("subvolumes")) return Option.none<Subvolume>()
  const rows = (yield* read(facts, "subvolumes", SubvolumeRows)).filter(({ name }) => name === id)
  if (rows.length === 0) return Option.none<Subvolume>()
  const pools = yield* readPools(facts)
  const found = rows.flatMap(({ fs, fullname }) =>
    pools.filter((pool) => Option.contains(labelOf(pool), fs ?? "")).flatMap(({ label, mountPoint }) =>
      Option.toArray(Option.map(asVolumePath(`/${mountPoint}/${fullname ?? ""}`), (path) => ({ label, path })))
    )
  )
  const [subvolume] = found
  if (rows.length === 1 && subvolume !== undefined && isUnder(base, subvolume.path)) return Option.some(subvolume)
  return yield* new ApplianceConflict({
    message:
      `the subvolume ${id} on the appliance is not below ${base}, or there are several; remove or rename those that ` +
      "are not this driver's"
  })
})

/** Its name in commands: the path below the mount point. */
const nameIn = ({ mountPoint }: Pool, path: VolumePath): string => withoutSlash(path).slice(mountPoint.length + 1)

/**
 * Makes the subvolume `path` as what `parent` is now, unless there is one. The manual's examples do not tell whether a
 * parent in a directory is named by its path or by the last part of it, so both are tried; names occur once.
 */
export const cloneSubvolume = ({ parent, path, pool, readOnly }: {
  readonly pool: Pool
  readonly parent: VolumePath
  readonly path: VolumePath
  readonly readOnly: boolean
}): RosScript => {
  const [name, full] = [nameIn(pool, path), nameIn(pool, parent)]
  const last = (text: string) => text.slice(text.lastIndexOf("/") + 1)
  const add = ros`/disk/btrfs/subvolume/add fs=${pool.label} name=${name} read-only=${readOnly}`
  const missing = ros`${countSubvolumes(last(name))} = 0`
  return ros`:if (${missing}) do={
    :onerror x in={ ${add} parent=${full} } do={ :if (${missing}) do={ ${add} parent=${last(full)} } }
  };`
}

/** Removes a subvolume in which no file is left, so that nothing goes with it that is somebody else's. */
export const removeEmptySubvolume = (subvolume: Subvolume): RosScript =>
  ros`:if ([:len [/file/find where name~${startingWith(`${withoutSlash(subvolume.path)}/`)}]] = 0) do={
    ${removeSubvolume(subvolume)}
  };`

/** Removes a subvolume with what is in it. */
export const removeSubvolume = ({ label, path }: Subvolume): RosScript =>
  ros`/disk/btrfs/subvolume/remove [/disk/btrfs/subvolume/find where fs=${label} and name=${
    path.slice(path.lastIndexOf("/") + 1)
  }];`
