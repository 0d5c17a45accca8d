import { Effect, Option, Result, Schema } from "effect"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { Nqn } from "../volume/Nqn.ts"
import * as OwnershipTag from "../volume/OwnershipTag.ts"
import { directoryOf, isUnder, normalise, withoutSlash } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows, FileRows } from "./Appliance.ts"
import { countSubvolumes, readSubvolume, removeEmptySubvolume, reportSubvolume, type Subvolume } from "./Btrfs.ts"
import { ApplianceConflict, ApplianceRefused, type ScriptFailed } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { dropImageRecord, readRecord, recordFile, reportRecord, unreadable } from "./ImageRecords.ts"
import type { RdsVolume } from "./Model.ts"
import { dropRecord, keepRecord, type Places, placesOf } from "./PathRecord.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { abandonCopy, releaseVolume } from "./Release.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { disksWhere, findVolume, nameOf, onlyAsked, withNqnOf } from "./Volumes.ts"

/** What is to go in one step: a file by its `/file` name, the item that uses it and its subvolume, as far as they are there. */
interface Target {
  readonly file: string
  readonly item: Option.Option<DiskRow>
  readonly subvolume: Option.Option<Subvolume>
  /** Whether something is on record of what it was being made of. */
  readonly filling: boolean
}

/** What there is of the volume. */
interface Seen {
  readonly disks: ReadonlyArray<DiskRow>
  readonly item: Option.Option<DiskRow>
  readonly volume: Option.Option<RdsVolume>
  /** What an interrupted call has recorded: the backing file. */
  readonly recorded: Option.Option<string>
  readonly subvolume: Option.Option<Subvolume>
  /** What it was being made of when that was interrupted. */
  readonly filling: Option.Option<ImageRecord>
  /** Whether there is a file at its usual place. */
  readonly usual: boolean
}

/** A volume's item and file, what interrupted calls recorded, a leftover at the usual place; then nothing is left. */
const maxRounds = 5

/**
 * Looks at what there is of the volume, decides here whether it is ours to remove, then un-exports, removes the item,
 * its file and its subvolume, and looks again. Removing an item leaves its file (RouterOS manual, `/disk`); see
 * {@link Places} for how a later call finds it.
 */
export const removeVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.remove")(function*(id: VolumeId) {
    const places = placesOf(id, config)
    const attempt = `remove volume ${id}`
    const looking = lookScript(id, places, config)
    let facts = yield* look(run, looking, attempt)
    let failure = Option.none<ScriptFailed>()
    let last = Option.none<Target>()
    for (let round = 0; round < maxRounds; round++) {
      const seen = yield* readSeen(facts, id, places, config)
      const target = yield* nextTarget(seen, id, places, config)
      if (Option.isNone(target)) return
      if (Option.isSome(failure) && Option.exists(last, isSameAs(target.value))) return yield* refusal(attempt, failure)
      if (round === 0) yield* endCopies(run, config, seen)
      const script = ros`${removeScript(target.value, id, places, config)} ${looking}`
      ;({ facts, failure } = yield* change(run, script, looking, attempt))
      last = target
    }
    return yield* new ApplianceRefused({
      message: `volume ${id} is not gone: its backing file is still there after it was removed; retry, and look for ` +
        "another disk on the appliance that uses it"
    })
  })

const lookScript = (id: VolumeId, { record, usual }: Places, config: RdsConfig): RosScript =>
  ros`:local vu ${usual};
    ${report("disks", disksWhere(ros`${withNqnOf(id)} or slot=${VolumeId.slot(id)} or ${usesFile(usual)}`))};
    ${report("files", ros`[/file/print detail as-value where name=$vu]`)};
    :foreach i in=[/file/find where name=${record}] do={ ${report("record", ros`[/file/get $i contents]`)} };
    ${reportRecord(Content.ofVolume(id), config)}
    ${reportSubvolume(id)}`

const usesFile = (file: string) => ros`file-path=${`/${file}`} or file-path=${file}`

const readSeen = Effect.fnUntraced(function*(facts: Facts, id: VolumeId, { usual }: Places, config: RdsConfig) {
  const disks = yield* onlyAsked(
    yield* read(facts, "disks", DiskRows),
    (row) => row["nvme-tcp-server-nqn"] === Nqn.ofVolume(id) || row.slot === VolumeId.slot(id) || fileOf(row) === usual
  )
  const item = yield* Effect.fromResult(findItem(disks, id, config))
  return {
    disks,
    item,
    volume: yield* Effect.fromResult(findVolume(Option.toArray(item), id)),
    recorded: facts.has("record") ? Option.some(yield* read(facts, "record", Schema.String)) : Option.none(),
    subvolume: yield* readSubvolume(facts, id, config),
    filling: yield* readRecord(facts, Content.ofVolume(id), config),
    usual: (yield* read(facts, "files", FileRows)).length > 0
  } satisfies Seen
})

const nextTarget = Effect.fnUntraced(
  function*(seen: Seen, id: VolumeId, { usual }: Places, config: RdsConfig) {
    const { filling, item, recorded, subvolume } = seen
    const found = { subvolume, filling: Option.isSome(filling) }
    const none = { ...found, item: Option.none() }
    if (Option.isSome(item) && !Option.exists(recorded, (file) => file !== fileOf(item.value))) {
      return Option.some<Target>({ ...found, file: fileOf(item.value), item })
    }
    if (Option.isSome(recorded)) {
      if (!isImageOf(recorded.value, id, config)) return yield* strangeRecord(id)
      return Option.some<Target>({ ...none, file: recorded.value })
    }
    if (Option.isSome(subvolume)) {
      return Option.some<Target>({ ...none, file: `${withoutSlash(subvolume.value.path)}/disk.img` })
    }
    if (Option.isSome(filling)) return Option.some<Target>({ ...none, file: yield* filledFile(filling.value, config) })
    if (!seen.usual) return Option.none<Target>()
    const user = seen.disks.find((row) => fileOf(row) === usual)
    if (user !== undefined) return yield* notOurs(user, id, "uses its backing file, but is not exported as this volume")
    return Option.some<Target>({ ...none, file: usual })
  }
)

/** The copy that was to fill the volume is ended. One that reads the volume is waited for, unless it ended by itself. */
const endCopies = Effect.fnUntraced(function*(run: Run, config: RdsConfig, { filling, volume }: Seen) {
  yield* Effect.forEach(Option.toArray(Option.filter(volume, isMarked)), releaseVolume(run, config), { discard: true })
  yield* Effect.forEach(Option.toArray(filling), (record) => abandonCopy(run, record), { discard: true })
})

const isMarked = ({ comment }: RdsVolume) => Option.isSome(ItemComment.copyOf(comment))

const fileOf = (row: DiskRow) => withoutSlash(row["file-path"] ?? "")

const filledFile = Effect.fnUntraced(function*({ path, target }: ImageRecord, config: RdsConfig) {
  if (isImageOf(path, target.id, config)) return withoutSlash(path)
  return yield* unreadable(recordFile(target, config))
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
  const isOwn = ({ clusterId, volumeId }: OwnershipTag.Owner) => clusterId === config.clusterId && volumeId === id
  const isTagged = (row: DiskRow) => Option.exists(OwnershipTag.parse(row.comment ?? ""), isOwn)
  const [row, ...others] = rows.filter((row) =>
    row["nvme-tcp-server-nqn"] === Nqn.ofVolume(id) || (row.slot === VolumeId.slot(id) && isTagged(row))
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
  return Option.exists(owner, (named) => !isOwn(named))
    ? Result.fail(notOurs(row, id, `is tagged ${JSON.stringify(row.comment)}: another cluster's`))
    : Result.succeed(Option.some(row))
}

/** A step that RouterOS stopped and that is still to do would only be stopped again. */
const isSameAs = (target: Target) => (last: Target) =>
  last.file === target.file && Option.isSome(last.item) === Option.isSome(target.item) &&
  Option.isSome(last.subvolume) === Option.isSome(target.subvolume)

const isImageOf = (path: string, id: Content.Content["id"], { base }: RdsConfig) =>
  isUnder(base, normalise(path)) && Option.isSome(directoryOf(normalise(path), id))

/** Each statement does nothing when it has been done before. A file that some item uses stays. */
const removeScript = (
  { file, filling, item, subvolume }: Target,
  id: VolumeId,
  places: Places,
  config: RdsConfig
): RosScript => {
  const removeItem = Option.map(
    item,
    ({ slot }) =>
      ros`:foreach i in=[/disk/find where type=file and slot=${slot ?? ""} and (${usesFile(file)})] do={
      /disk/set $i nvme-tcp-export=no; /disk/remove $i
    };`
  )
  const remember = Option.isNone(subvolume) ? keepRecord(places, file) : ros``
  const gone = ros`[:len [/file/find where name=$vf]] = 0`
  const forgetFilling = ros`:if ((${gone}) && (${countSubvolumes(id)} = 0)) do={
    ${dropImageRecord(Content.ofVolume(id), config)}
  };`
  return ros`:local vf ${file};
    ${remember}
    ${Option.toArray(removeItem)}
    :if ([:len [/disk/find where ${usesFile(file)}]] = 0) do={ /file/remove [/file/find where name=$vf] };
    ${Option.toArray(Option.map(subvolume, removeEmptySubvolume))}
    ${dropRecord(places, file, gone)}
    ${filling ? forgetFilling : ros``}`
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
