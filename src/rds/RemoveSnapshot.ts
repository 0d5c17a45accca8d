import { Effect, Option } from "effect"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import { directoryOf, isUnder, withoutSlash } from "../volume/PathRules.ts"
import type { SnapshotId } from "../volume/SnapshotId.ts"
import { Count } from "./Appliance.ts"
import { countSubvolumes, readSubvolume, removeSubvolume, reportSubvolume, type Subvolume } from "./Btrfs.ts"
import { ApplianceConflict, ApplianceRefused, type ScriptFailed, SourceInUse } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { dropImageRecord, readRecord, recordFile, unreadable } from "./ImageRecords.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { abandonCopy } from "./Release.ts"
import { ros, type RosScript, startingWith } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { type FoundSnapshot, readSnapshot, reportSnapshot } from "./Snapshots.ts"

/** What there is of the snapshot. */
interface Seen {
  readonly record: Option.Option<ImageRecord>
  readonly subvolume: Option.Option<Subvolume>
  /** One of the Go driver's has no record. */
  readonly found: Option.Option<FoundSnapshot>
  /** Copies that are being made of it. */
  readonly readers: bigint
}

/** One step removes everything; another one looks at what was in the way. */
const maxRounds = 3

/**
 * Removes the snapshot and its record, the record last, so that a later call finds what is left. What carries its name
 * without being on record as this cluster's is left alone.
 */
export const removeSnapshot = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.removeSnapshot")(function*(id: SnapshotId) {
    const attempt = `remove snapshot ${id}`
    const looking = lookScript(id, config)
    let facts = yield* look(run, looking, attempt)
    let failure = Option.none<ScriptFailed>()
    for (let round = 0; round < maxRounds; round++) {
      const seen = yield* readSeen(facts, id, config)
      const script = yield* nextStep(seen, id, config)
      if (Option.isNone(script)) return
      if (Option.isSome(failure)) return yield* refusal(attempt, failure)
      if (round === 0) {
        yield* Effect.forEach(Option.toArray(seen.record), (record) => abandonCopy(run, record), { discard: true })
      }
      ;({ facts, failure } = yield* change(run, ros`${script.value} ${looking}`, looking, attempt))
    }
    return yield* new ApplianceRefused({
      message:
        `snapshot ${id} is not gone: it is still there after it was removed; retry, and look for a disk on the ` +
        "appliance that uses it"
    })
  })

const lookScript = (id: SnapshotId, config: RdsConfig): RosScript =>
  ros`${reportSnapshot(id, config)} ${reportSubvolume(id)}; ${reportReaders(id, config)}`

/** How many copies are being made of the snapshot, by the records of the volumes that they are for. */
const reportReaders = (id: SnapshotId, { base }: RdsConfig): RosScript =>
  ros`:local rn 0;
    :foreach i in=[/file/find where name~${`${startingWith(withoutSlash(`${base}/`))}[^/]*\\.copy\$`}] do={
      :if ([/file/get $i contents] ~ ${`source=snapshot/${id} .* state=copying `}) do={ :set rn ($rn + 1) }
    };
    ${report("readers", ros`$rn`)}`

const readSeen = Effect.fnUntraced(function*(facts: Facts, id: SnapshotId, config: RdsConfig) {
  return {
    record: yield* readRecord(facts, Content.ofSnapshot(id), config),
    subvolume: yield* readSubvolume(facts, id, config),
    found: yield* readSnapshot(facts, id, config),
    readers: yield* read(facts, "readers", Count)
  } satisfies Seen
})

/** The script that removes it; none when it is gone. */
const nextStep = Effect.fnUntraced(
  function*({ found, readers, record, subvolume }: Seen, id: SnapshotId, config: RdsConfig) {
    if (Option.isNone(record) && Option.isSome(subvolume)) return yield* withoutRecord(id, subvolume.value)
    if (Option.isNone(record) && Option.isNone(found)) return Option.none<RosScript>()
    if (readers > 0n) return yield* beingCopied(id)
    if (Option.isNone(record)) return Option.map(found, ({ path }) => removeItem(path))
    if (!isImageOf(record.value, config)) return yield* unreadable(recordFile(record.value.target, config))
    return Option.some(removeImage(record.value, subvolume, config))
  }
)

const isImageOf = ({ path, target }: ImageRecord, { base }: RdsConfig) =>
  isUnder(base, path) && Option.isSome(directoryOf(path, target.id))

/** A file that some item uses stays, and so does the record then. */
const removeImage = ({ path, state, target }: ImageRecord, subvolume: Option.Option<Subvolume>, config: RdsConfig) => {
  const removeFile = state === "subvolume" ? ros`` : removeUnusedFile(path)
  return ros`${Option.toArray(Option.map(subvolume, removeSubvolume))} ${removeFile}
    :if (([:len [/file/find where name=${withoutSlash(path)}]] = 0) && (${countSubvolumes(target.id)} = 0)) do={
      ${dropImageRecord(target, config)}
    };`
}

/** The item of one of the Go driver's, which is not exported, and its file. */
const removeItem = (path: string): RosScript =>
  ros`:foreach i in=[/disk/find where type=file and !nvme-tcp-export and file-path=${path} and slot~"^snap-"] do={
      /disk/remove $i
    };
    ${removeUnusedFile(path)}`

const removeUnusedFile = (path: string): RosScript => {
  const file = withoutSlash(path)
  return ros`:if ([:len [/disk/find where file-path=${file} or file-path=${path}]] = 0) do={
    /file/remove [/file/find where name=${file}]
  };`
}

const withoutRecord = (id: SnapshotId, { path }: Subvolume) =>
  new ApplianceConflict({
    message:
      `snapshot ${id} was not removed: nothing is on record of the subvolume ${path} on the appliance; check it ` +
      "and remove it by hand"
  })

const beingCopied = (id: SnapshotId) =>
  new SourceInUse({
    message:
      `snapshot ${id} is being copied to a new volume; it can be deleted when that is done, or when that volume is ` +
      "deleted"
  })
