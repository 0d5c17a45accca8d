import { Effect, Option, Result, Schema } from "effect"
import { Nqn } from "../volume/Nqn.ts"
import * as OwnershipTag from "../volume/OwnershipTag.ts"
import { isUnder, normalise, withoutSlash } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows, FileRows } from "./Appliance.ts"
import { ApplianceConflict, ApplianceRefused, type ScriptFailed } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { dropRecord, keepRecord, type Places, placesOf } from "./PathRecord.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { disksWhere, nameOf, withNqnOf } from "./Volumes.ts"

/** What is to go in one step: a file by its `/file` name, and the item that uses it if there still is one. */
interface Target {
  readonly file: string
  readonly item: Option.Option<DiskRow>
}

/** A volume's item and file, what an interrupted call recorded, a leftover at the usual place; then nothing is left. */
const maxRounds = 4

/**
 * Looks at what there is of the volume, decides here whether it is ours to remove, then un-exports, removes the item
 * and its file and looks again. Removing an item leaves its file (RouterOS manual, `/disk`); see {@link Places} for how
 * a later call finds it.
 */
export const removeVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.remove")(function*(id: VolumeId) {
    const places = placesOf(id, config)
    const attempt = `remove volume ${id}`
    const looking = lookScript(id, places)
    let seen = { facts: yield* look(run, looking, attempt), failure: Option.none<ScriptFailed>() }
    let last = Option.none<Target>()
    for (let round = 0; round < maxRounds; round++) {
      const target = yield* nextTarget(seen.facts, id, places, config)
      if (Option.isNone(target)) return
      if (Option.isSome(seen.failure) && Option.exists(last, isSameAs(target.value))) {
        return yield* refusal(attempt, seen.failure)
      }
      seen = yield* change(run, ros`${removeScript(target.value, places)} ${looking}`, looking, attempt)
      last = target
    }
    return yield* new ApplianceRefused({
      message: `volume ${id} is not gone: its backing file is still there after it was removed; retry, and look for ` +
        "another disk on the appliance that uses it"
    })
  })

const lookScript = (id: VolumeId, { record, usual }: Places): RosScript =>
  ros`:local vu ${usual};
    ${report("disks", disksWhere(ros`${withNqnOf(id)} or slot=${VolumeId.slot(id)} or ${usesFile(usual)}`))};
    ${report("files", ros`[/file/print detail as-value where name=$vu]`)};
    :foreach i in=[/file/find where name=${record}] do={ ${report("record", ros`[/file/get $i contents]`)} }`

const usesFile = (file: string) => ros`file-path=${`/${file}`} or file-path=${file}`

const nextTarget = Effect.fnUntraced(function*(facts: Facts, id: VolumeId, { usual }: Places, config: RdsConfig) {
  const disks = yield* read(facts, "disks", DiskRows)
  const item = yield* Effect.fromResult(findItem(disks, id, config))
  const recorded = facts.has("record") ? Option.some(yield* read(facts, "record", Schema.String)) : Option.none()
  const fileOf = (row: DiskRow) => withoutSlash(row["file-path"] ?? "")
  if (Option.isSome(item) && !Option.exists(recorded, (file) => file !== fileOf(item.value))) {
    return Option.some<Target>({ file: fileOf(item.value), item })
  }
  if (Option.isSome(recorded)) {
    if (!isImageOf(recorded.value, id, config)) return yield* strangeRecord(id)
    return Option.some<Target>({ file: recorded.value, item: Option.none() })
  }
  if ((yield* read(facts, "files", FileRows)).length === 0) return Option.none<Target>()
  const user = disks.find((row) => fileOf(row) === usual)
  if (user !== undefined) return yield* notOurs(user, id, "uses its backing file, but is not exported as this volume")
  return Option.some<Target>({ file: usual, item: Option.none() })
})

/**
 * The item that is this volume, or what an interrupted creation left of it; fails for one that looks like it and is not
 * ours.
 */
const findItem = (
  rows: ReadonlyArray<DiskRow>,
  id: VolumeId,
  config: RdsConfig
): Result.Result<Option.Option<DiskRow>, ApplianceConflict> => {
  const tag = OwnershipTag.encode({ clusterId: config.clusterId, volumeId: id })
  const [row, ...others] = rows.filter((row) =>
    row["nvme-tcp-server-nqn"] === Nqn.ofVolume(id) || (row.slot === VolumeId.slot(id) && row.comment === tag)
  )
  if (row === undefined) return Result.succeedNone
  const owner = OwnershipTag.parse(row.comment ?? "")
  const [other] = others
  if (other !== undefined) {
    return Result.fail(notOurs(other, id, `is exported as this volume, and so is ${nameOf(row)}`))
  }
  if (row.type !== "file") return Result.fail(notOurs(row, id, "is exported as this volume, but is not a file"))
  if (!isImageOf(row["file-path"] ?? "", id, config)) {
    return Result.fail(notOurs(row, id, `uses a file that is not ${id}.img below ${config.base}`))
  }
  return Option.exists(owner, ({ clusterId, volumeId }) => clusterId !== config.clusterId || volumeId !== id)
    ? Result.fail(notOurs(row, id, `is tagged ${JSON.stringify(row.comment)}: another cluster's`))
    : Result.succeed(Option.some(row))
}

/** A step that RouterOS stopped and that is still to do would only be stopped again. */
const isSameAs = (target: Target) => (last: Target) =>
  last.file === target.file && Option.isSome(last.item) === Option.isSome(target.item)

const isImageOf = (path: string, id: VolumeId, { base }: RdsConfig) =>
  isUnder(base, normalise(path)) && path.endsWith(`/${id}.img`)

/** Each statement does nothing when it has been done before. A file that some item uses stays. */
const removeScript = ({ file, item }: Target, places: Places): RosScript => {
  const removeItem = Option.map(
    item,
    ({ slot }) =>
      ros`:foreach i in=[/disk/find where type=file and slot=${slot ?? ""} and (${usesFile(file)})] do={
      /disk/set $i nvme-tcp-export=no; /disk/remove $i
    };`
  )
  return ros`:local vf ${file};
    ${keepRecord(places, file)}
    ${Option.toArray(removeItem)}
    :if ([:len [/disk/find where ${usesFile(file)}]] = 0) do={ /file/remove [/file/find where name=$vf] };
    ${dropRecord(places, file, ros`[:len [/file/find where name=$vf]] = 0`)}`
}

const notOurs = (row: DiskRow, id: VolumeId, why: string) =>
  new ApplianceConflict({
    message: `volume ${id} was not removed: ${nameOf(row)} on the appliance ${why}; check it and remove it by hand`
  })

const strangeRecord = (id: VolumeId) =>
  new ApplianceConflict({
    message: `volume ${id} was not removed: ${id}.path on the appliance does not name its backing file; delete that ` +
      "file, and the backing file if it is still there"
  })
