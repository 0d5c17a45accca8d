import { Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import { Nqn } from "../volume/Nqn.ts"
import * as OwnershipTag from "../volume/OwnershipTag.ts"
import { imagePath, normalise, type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows, FileRows } from "./Appliance.ts"
import { ApplianceConflict, ApplianceRefused, PoolFull, type ScriptFailed } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import * as HostList from "./HostList.ts"
import type { CreateSpec } from "./Model.ts"
import { dropRecord, keepRecord, type Places, placesOf } from "./PathRecord.ts"
import { inReadyPool, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { join, ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { disksWhere, findVolume, nameOf } from "./Volumes.ts"

/** A spec with all that follows from it. */
interface Plan extends CreateSpec {
  readonly slot: string
  readonly nqn: Nqn
  readonly path: VolumePath
  readonly tag: string
  readonly places: Places
  readonly reserveBytes: bigint
  readonly letsIn: RdsConfig["newVolumesLetIn"]
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
      const volume = Option.getOrUndefined(
        yield* Effect.fromResult(findVolume(yield* read(facts, "disks", DiskRows), plan.id))
      )
      if (volume?.exported === true) return volume
      if (volume !== undefined) return yield* refusal(`export volume ${plan.id}`, failure)
      const obstacles = Option.isSome(failure) ? facts : yield* look(run, lookScript(plan), attempt)
      script = yield* remedy(obstacles, plan, failure)
    }
    return yield* new ApplianceRefused({
      message: `volume ${plan.id} could not be created: something else keeps changing its directory; retry`
    })
  })

const planOf = (spec: CreateSpec, config: RdsConfig): Plan => ({
  ...spec,
  slot: VolumeId.slot(spec.id),
  nqn: Nqn.ofVolume(spec.id),
  path: imagePath(spec.directory, spec.id),
  tag: OwnershipTag.encode({ clusterId: config.clusterId, volumeId: spec.id }),
  places: placesOf(spec.id, config),
  reserveBytes: config.reserveBytes,
  letsIn: config.newVolumesLetIn
})

/** `vq`, the NQN; `vn` and `vf`, the file as `/file` and as `/disk` name it. No variable may have a property's name. */
const variables = ({ nqn, path }: Plan) => ros`:local vq ${nqn}; :local vn ${withoutSlash(path)}; :local vf ("/" . $vn)`

const createScript = (plan: Plan): RosScript =>
  ros`${variables(plan)};
    :if ([:len [/disk/find where nvme-tcp-server-nqn=$vq or slot=${plan.slot} or file-path=$vf]] = 0) do={
      ${inReadyPool(ros`${plan.sizeBytes + plan.reserveBytes}`, addScript(plan))}
    } else={
      :foreach i in=[/disk/find where nvme-tcp-server-nqn=$vq and type=file and !nvme-tcp-export] do={
        /disk/set $i nvme-tcp-export=yes
      }
    };
    ${forget(plan)}
    ${readBack}`

/** Unless there is such a file already, or not the directory; a pool's mount point need not be listed as one. */
const addScript = (plan: Plan): RosScript => {
  const directory = withoutSlash(plan.directory)
  return ros`:if (([:len [/file/find where name=$vn]] = 0)
      && (($pp = ${directory}) || ([:len [/file/find where name=${directory}]] > 0))) do={
    ${keepRecord(plan.places, withoutSlash(plan.path))}
    /disk/add ${item(plan)} file-size=${plan.sizeBytes} ${exportArguments(plan)}
  }`
}

/** Once the item is there, it tells where the file is. */
const forget = ({ path, places }: Plan) =>
  dropRecord(places, withoutSlash(path), ros`[:len [/disk/find where nvme-tcp-server-nqn=$vq]] > 0`)

/** RouterOS mounts the file system inside the image unless told not to: a second writer beside the node. */
const item = ({ slot, tag }: Plan) => ros`type=file slot=${slot} file-path=$vf mount-filesystem=no comment=${tag}`

const exportArguments = ({ letsIn, port }: Plan) => {
  const limit = letsIn === "nobody" ? [ros`nvme-tcp-server-allow-host-name=${HostList.encode([])}`] : []
  return ros`nvme-tcp-server-nqn=$vq nvme-tcp-server-port=${port} ${limit} nvme-tcp-export=yes`
}

const readBack = report("disks", disksWhere(ros`nvme-tcp-server-nqn=$vq`))

/** Reports the volume, if there is one, and everything that can keep it from being added. */
const lookScript = (plan: Plan): RosScript =>
  join([
    variables(plan),
    readBack,
    reportPools,
    report("taken", disksWhere(ros`slot=${plan.slot} or file-path=$vf`)),
    report("files", ros`[/file/print detail as-value where name=$vn]`)
  ], ros`;`)

/** The script that gets the volume past what was reported; fails when a person has to. */
const remedy = Effect.fnUntraced(function*(facts: Facts, plan: Plan, failure: Option.Option<ScriptFailed>) {
  const pool = yield* readPool(facts, plan.path)
  const taken = yield* read(facts, "taken", DiskRows)
  const files = yield* read(facts, "files", FileRows)
  const stranger = taken.find((row) => !isHalfMade(row, plan))
  if (stranger !== undefined) return yield* inTheWay(stranger, plan)
  const [leftover] = files
  yield* checkSpace(pool, plan, leftover?.size ?? 0n)
  if (leftover !== undefined && (leftover.size ?? 0n) > plan.sizeBytes) return yield* leftoverTooLarge(plan)
  if (leftover !== undefined || taken.length > 0) return finishScript(plan)
  if (Option.isSome(failure)) return yield* refusal(`create volume ${plan.id}`, failure)
  return ros`${makeDirectories(pool, plan)}; ${createScript(plan)}`
})

/** An item that this very volume's interrupted creation left: its slot, its file, our tag, but not exported yet. */
const isHalfMade = (row: DiskRow, { path, slot, tag }: Plan) =>
  row.type === "file" && row.slot === slot && normalise(row["file-path"] ?? "") === path && row.comment === tag

const checkSpace = (pool: Pool, { id, reserveBytes, sizeBytes }: Plan, presentBytes: bigint) =>
  pool.freeBytes >= sizeBytes - presentBytes + reserveBytes ? Effect.void : Effect.fail(
    new PoolFull({
      message: `pool ${pool.mountPoint} has ${formatBytes(pool.freeBytes)} free, too little for volume ${id} of ` +
        `${formatBytes(sizeBytes)} and the reserve of ${formatBytes(reserveBytes)}: delete volumes or add drives`
    })
  )

/**
 * A file that no item uses and that carries this volume's name may hold its data: it is attached, never cut or
 * replaced.
 */
const finishScript = (plan: Plan): RosScript => {
  const half = ros`slot=${plan.slot} and file-path=$vf and comment=${plan.tag}`
  return ros`${variables(plan)};
    :if ([:len [/disk/find where slot=${plan.slot} or file-path=$vf or nvme-tcp-server-nqn=$vq]] = 0) do={
      /disk/add ${item(plan)}
    };
    :foreach i in=[/disk/find where ${half} and size<${plan.sizeBytes}] do={ /disk/set $i file-size=${plan.sizeBytes} };
    :foreach i in=[/disk/find where ${half}] do={ /disk/set $i ${exportArguments(plan)} };
    ${forget(plan)}
    ${readBack}`
}

const makeDirectories = ({ mountPoint }: Pool, { directory }: Plan) => {
  const below = withoutSlash(directory).slice(mountPoint.length).split("/").filter((segment) => segment !== "")
  const names = below.map((_, i) => [mountPoint, ...below.slice(0, i + 1)].join("/"))
  return join(
    names.map((name) =>
      ros`:if ([:len [/file/find where name=${name}]] = 0) do={ /file/add type=directory name=${name} }`
    ),
    ros`;`
  )
}

const inTheWay = (row: DiskRow, { id, path, slot }: Plan) =>
  new ApplianceConflict({
    message: `volume ${id} cannot be created: ${nameOf(row)} on the appliance already uses ` +
      `${row.slot === slot ? `the slot ${slot}` : `the file ${path}`} and is not this volume; remove or rename it`
  })

const leftoverTooLarge = ({ id, path, sizeBytes }: Plan) =>
  new ApplianceConflict({
    message: `volume ${id} cannot be created: the file ${path} exists and is larger than ${formatBytes(sizeBytes)}; ` +
      "it may hold data, so it is left alone: remove or rename it"
  })
