import { Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as Content from "../volume/Content.ts"
import * as ImageRecord from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { Nqn } from "../volume/Nqn.ts"
import * as OwnershipTag from "../volume/OwnershipTag.ts"
import {
  imagePath,
  normalise,
  subvolumeImagePath,
  subvolumePath,
  type VolumePath,
  withoutSlash
} from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { Count, type DiskRow, DiskRows, FileRows } from "./Appliance.ts"
import { attachScript, exportArguments, type Item, itemArguments, itemVariables } from "./AttachImage.ts"
import { countSubvolumes, labelOfPool } from "./Btrfs.ts"
import { isUnmarked } from "./CopyJob.ts"
import { ApplianceConflict, ApplianceRefused, MadeOfOther, type ScriptFailed } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import type { CreateSpec, RdsVolume } from "./Model.ts"
import { dropRecord, keepRecord, type Places, placesOf } from "./PathRecord.ts"
import { checkFree, inReadyPool, makeDirectories, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { join, ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { disksWhere, nameOf, readVolume } from "./Volumes.ts"

/** A spec with all that follows from it. Its item is the one of a backing file beside others in the directory. */
interface Plan extends CreateSpec, Item {
  /** The subvolume of its own that a volume gets on a btrfs pool, and the backing file in it. */
  readonly subvolume: VolumePath
  readonly pathInSubvolume: VolumePath
  /** Whether it gets one. */
  readonly own: boolean
  /** `/file` name of what is on record of a volume that is being made of something. */
  readonly filling: string
  readonly places: Places
  readonly reserveBytes: bigint
}

/** First attempt, directories, and what an earlier attempt left half done; each can be found out of date once. */
const maxRounds = 5

/**
 * One script looks for the volume, checks that nothing is in its way and that the pool can hold it, adds and exports
 * it, and reads it back. Only when it may not add does a second one ask why: then this is an error, or there is a
 * remedy (make the directory; finish what an interrupted attempt left), which is a script again. All may be run again
 * at any time.
 */
export const createVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.create")(function*(spec: CreateSpec) {
    const plan = planOf(spec, config)
    const attempt = `create volume ${plan.id}`
    let script = createScript(plan)
    for (let round = 0; round < maxRounds; round++) {
      const { facts, failure } = yield* change(run, script, lookScript(plan), attempt)
      const volume = Option.getOrUndefined(yield* readVolume(facts, plan.id))
      if (volume?.exported === true || (volume !== undefined && isBeingCopied(volume))) return volume
      if (volume !== undefined) return yield* refusal(`export volume ${plan.id}`, failure)
      const obstacles = Option.isSome(failure) ? facts : yield* look(run, lookScript(plan), attempt)
      script = yield* remedy(obstacles, plan, failure)
    }
    return yield* new ApplianceRefused({
      message: `volume ${plan.id} could not be created: something else keeps changing its directory; retry`
    })
  })

/** Off the network until that has ended. */
const isBeingCopied = ({ comment }: RdsVolume) => Option.isSome(ItemComment.copyOf(comment))

const planOf = (spec: CreateSpec, config: RdsConfig): Plan => ({
  ...spec,
  slot: VolumeId.slot(spec.id),
  nqn: Nqn.ofVolume(spec.id),
  path: imagePath(spec.directory, spec.id),
  subvolume: subvolumePath(spec.directory, spec.id),
  pathInSubvolume: subvolumeImagePath(spec.directory, spec.id),
  own: config.snapshots === "auto" || config.snapshots === "btrfs",
  filling: ImageRecord.fileOf(config.base, Content.ofVolume(spec.id)),
  tag: OwnershipTag.encode({ clusterId: config.clusterId, volumeId: spec.id }),
  empty: true,
  places: placesOf(spec.id, config),
  reserveBytes: config.reserveBytes,
  letsIn: config.newVolumesLetIn
})

/**
 * Besides those of the item: `vn` and `vf`, the file as `/file` and as `/disk` name it; `vs`, the volume's subvolume, and `vg`, the
 * file in that. No variable may have a property's name.
 */
const variables = (plan: Plan) =>
  ros`${itemVariables(plan)} :local vs ${withoutSlash(plan.subvolume)};
    :local vn ($vs . ".img"); :local vf ("/" . $vn); :local vg ("/" . $vs . "/disk.img")`

const createScript = (plan: Plan): RosScript =>
  ros`${variables(plan)};
    :if ([:len [/disk/find where nvme-tcp-server-nqn=$vq or slot=$vl or file-path=$vf or file-path=$vg]] = 0) do={
      ${inReadyPool(ros`${plan.sizeBytes + plan.reserveBytes}`, addScript(plan))}
    } else={
      :foreach i in=[/disk/find where nvme-tcp-server-nqn=$vq and type=file and !nvme-tcp-export] do={
        :if (${isUnmarked}) do={ /disk/set $i nvme-tcp-export=yes }
      }
    };
    ${forget(plan)}
    ${readBack}`

/** Unless there is something of the volume already, or not the directory; a mount point need not be listed as one. */
const addScript = (plan: Plan): RosScript => {
  const directory = withoutSlash(plan.directory)
  return ros`:if (([:len [/file/find where name=$vn or name=$vs or name=${plan.filling}]] = 0)
      && (($pp = ${directory}) || ([:len [/file/find where name=${directory}]] > 0))) do={
    ${plan.own ? makeSubvolume : ros`:local bl "";`}
    :if ([:len $bl] = 0) do={ ${keepRecord(plan.places, withoutSlash(plan.path))} };
    /disk/add ${itemArguments} file-size=${plan.sizeBytes} ${exportArguments(plan)}
  }`
}

/** On a pool that can have them. From then on the file is the one in it. */
const makeSubvolume = ros`${labelOfPool}
  :if ([:len $bl] > 0) do={
    /disk/btrfs/subvolume/add fs=$bl name=[:pick $vs ([:len $pp] + 1) [:len $vs]];
    :set vf $vg
  };`

/** Once the item is there, it tells where the file is. */
const forget = ({ path, places }: Plan) =>
  dropRecord(places, withoutSlash(path), ros`[:len [/disk/find where nvme-tcp-server-nqn=$vq]] > 0`)

const readBack = report("disks", disksWhere(ros`nvme-tcp-server-nqn=$vq`))

/** Reports the volume, if there is one, and everything that can keep it from being added. */
const lookScript = (plan: Plan): RosScript =>
  join([
    variables(plan),
    readBack,
    reportPools,
    report("taken", disksWhere(ros`slot=$vl or file-path=$vf or file-path=$vg`)),
    report("files", ros`[/file/print detail as-value where name=$vn or name=$vs or name=($vs . "/disk.img")]`),
    report("subvolumes", ros`${countSubvolumes(plan.id)}`),
    report("filling", ros`[:len [/file/find where name=${plan.filling}]]`)
  ], ros`;`)

/** The script that gets the volume past what was reported; fails when a person has to. */
const remedy = Effect.fnUntraced(function*(facts: Facts, plan: Plan, failure: Option.Option<ScriptFailed>) {
  const pool = yield* readPool(facts, plan.path)
  const taken = yield* read(facts, "taken", DiskRows)
  const files = yield* read(facts, "files", FileRows)
  const hasSubvolume = (yield* read(facts, "subvolumes", Count)) > 0n
  if ((yield* read(facts, "filling", Count)) > 0n) return yield* isBeingFilled(plan)
  const present: Plan = hasSubvolume ? { ...plan, path: plan.pathInSubvolume } : plan
  const stranger = taken.find((row) => !isHalfMade(row, present))
  if (stranger !== undefined) return yield* inTheWay(stranger, plan)
  const leftover = files.find((file) => normalise(file.name) === present.path)
  yield* checkSpace(pool, plan, leftover?.size ?? 0n)
  if (leftover !== undefined && (leftover.size ?? 0n) > plan.sizeBytes) return yield* leftoverTooLarge(present)
  if (leftover !== undefined || taken.length > 0 || hasSubvolume) return finishScript(present)
  if (files.length > 0) return yield* directoryInTheWay(plan)
  if (Option.isSome(failure)) return yield* refusal(`create volume ${plan.id}`, failure)
  return ros`${makeDirectories(pool, plan.directory)} ${createScript(plan)}`
})

/** An item that this very volume's interrupted creation left: its slot, its file, our tag, but not exported yet. */
const isHalfMade = (row: DiskRow, { path, slot, tag }: Plan) =>
  row.type === "file" && row.slot === slot && normalise(row["file-path"] ?? "") === path && row.comment === tag

const checkSpace = (pool: Pool, { id, reserveBytes, sizeBytes }: Plan, presentBytes: bigint) =>
  checkFree(pool, sizeBytes - presentBytes, {
    reserveBytes,
    purpose: `for volume ${id} of ${formatBytes(sizeBytes)}`
  })

/**
 * A file that no item uses and that carries this volume's name may hold its data: it is attached, never cut or
 * replaced.
 */
const finishScript = (plan: Plan): RosScript => ros`${attachScript(plan)} ${forget(plan)} ${readBack}`

const inTheWay = (row: DiskRow, { id, path, slot }: Plan) =>
  new ApplianceConflict({
    message: `volume ${id} cannot be created: ${nameOf(row)} on the appliance already uses ` +
      `${row.slot === slot ? `the slot ${slot}` : `the file ${path}`} and is not this volume; remove or rename it`
  })

const directoryInTheWay = ({ id, subvolume }: Plan) =>
  new ApplianceConflict({
    message:
      `volume ${id} cannot be created: ${subvolume} exists on the appliance and is not this volume's subvolume; ` +
      "remove or rename it"
  })

const leftoverTooLarge = ({ id, path, sizeBytes }: Plan) =>
  new ApplianceConflict({
    message: `volume ${id} cannot be created: the file ${path} exists and is larger than ${formatBytes(sizeBytes)}; ` +
      "it may hold data, so it is left alone: remove or rename it"
  })

const isBeingFilled = ({ filling, id }: Plan) =>
  new MadeOfOther({
    message:
      `volume ${id} is being made of a snapshot or of another volume (${filling} on the appliance); delete it, or ` +
      "ask for what it is"
  })
