import { Effect, Option, Order, Schema } from "effect"
import * as Content from "../volume/Content.ts"
import * as ImageRecord from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { asVolumePath, isUnder, normalise, type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import { SnapshotId } from "../volume/SnapshotId.ts"
import { type DiskRow, DiskRows, type SubvolumeRow, SubvolumeRows } from "./Appliance.ts"
import { reportSubvolumes } from "./Btrfs.ts"
import { type Facts, read, report } from "./Facts.ts"
import { readRecord, reportRecord, unreadable } from "./ImageRecords.ts"
import type { RdsSnapshot } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { join, ros, type RosScript, startingWith } from "./RouterOs.ts"
import { look, type Run } from "./Run.ts"
import { disksWhere } from "./Volumes.ts"

/** A snapshot with the place of its image. */
export interface FoundSnapshot extends RdsSnapshot {
  readonly path: VolumePath
}

/** The snapshot with that id, if it was cut. */
export const lookUpSnapshot = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.getSnapshot")(function*(id: SnapshotId) {
    const facts = yield* look(run, reportSnapshot(id, config), `look up snapshot ${id}`)
    return yield* readSnapshot(facts, id, config)
  })

/**
 * Reports the snapshot, and the disks and subvolumes that the caller wants to know of besides. The record comes last: a copy
 * that ends meanwhile is on record before its volume is released.
 */
export const reportSnapshot = (
  id: SnapshotId,
  config: RdsConfig,
  more: { readonly disks?: ReadonlyArray<RosScript>; readonly subvolumes?: ReadonlyArray<string> } = {}
): RosScript =>
  ros`${report("disks", disksWhere(join([anySlotOf(id), beingCopiedTo(id), ...more.disks ?? []], ros`or`)))};
    ${reportSubvolumes([id, ...more.subvolumes ?? []])};
    ${reportRecord(Content.ofSnapshot(id), config)}`

/** Newer RouterOS releases have cut the Go driver's slots. */
const anySlotOf = (id: SnapshotId) => ros`slot=${id} or slot=${id.slice(0, slotLength)}`
const beingCopiedTo = (id: SnapshotId) => ros`comment~${`copying=snapshot/${id}\$`}`

/** Whether a row is one that such a report asks for. */
export const isAskedFor = (id: SnapshotId) => ({ comment, slot }: DiskRow): boolean =>
  slot === id || slot === id.slice(0, slotLength) || (comment ?? "").endsWith(`copying=snapshot/${id}`)

/** From such a report. */
export const readSnapshot = Effect.fnUntraced(function*(facts: Facts, id: SnapshotId, config: RdsConfig) {
  const record = yield* readRecord(facts, Content.ofSnapshot(id), config)
  const things = yield* readThings(facts)
  if (Option.isSome(record)) return Option.flatMap(record, foundAmong(things))
  return Option.fromUndefinedOr(
    things.disks.flatMap((row) => Option.toArray(goSnapshot(row, config))).find((found) => found.id === id)
  )
})

/** What tells whether a snapshot that is on record was cut. */
interface Things {
  readonly disks: ReadonlyArray<DiskRow>
  readonly subvolumes: ReadonlyArray<SubvolumeRow>
}

const readThings = Effect.fnUntraced(function*(facts: Facts) {
  return {
    disks: yield* read(facts, "disks", DiskRows),
    subvolumes: yield* read(facts, "subvolumes", SubvolumeRows)
  } satisfies Things
})

/** The snapshot of a record. One whose copy was begun counts for as long as its source is kept as it was. */
const foundAmong =
  ({ disks, subvolumes }: Things) => (record: ImageRecord.ImageRecord): Option.Option<FoundSnapshot> => {
    const { state, target } = record
    const isCut = state === "copied" ||
      (state === "subvolume"
        ? subvolumes.some((row) => row.name === target.id && row["read-only"] === true)
        : disks.some((row) => Option.exists(ItemComment.copyOf(row.comment ?? ""), (to) => Content.isSame(to, target))))
    return isCut ? toSnapshot(record) : Option.none()
  }

/** The snapshot that the record is about. */
export const toSnapshot = ({ path, sizeBytes, source, state, target, time }: ImageRecord.ImageRecord) =>
  target._tag === "Snapshot"
    ? Option.some<FoundSnapshot>({
      id: target.id,
      source: source._tag === "Volume" ? Option.some(source.id) : Option.none(),
      sizeBytes,
      createdAt: time,
      ready: state !== "copying",
      path
    })
    : Option.none()

/** Newer RouterOS releases cut slots here. */
const slotLength = 32

/** A snapshot of the Go driver is an item of its own that is not exported, and nothing else tells of it. */
const goSnapshot = (row: DiskRow, { base }: RdsConfig): Option.Option<FoundSnapshot> => {
  const text = normalise(row["file-path"] ?? "")
  const slot = row.slot ?? ""
  const sizeBytes = row.size ?? row["file-size"]
  const [, name = ""] = /\/(snap-[^/]+)\.img$/.exec(text) ?? []
  const isItsOwn = slot === name || (slot.length >= slotLength && name.startsWith(slot))
  return row.type === "file" && row["nvme-tcp-export"] !== true && isItsOwn && isUnder(base, text) &&
      typeof sizeBytes === "bigint"
    ? Option.map(
      Option.all([SnapshotId.parse(name), asVolumePath(text)]),
      ([id, path]) => ({ id, source: Option.none(), sizeBytes, createdAt: 0, ready: true, path })
    )
    : Option.none()
}

/** Every snapshot that was cut, by id. A record that cannot be read fails the whole list: a missing one counts as deleted. */
export const listSnapshots = (run: Run, config: RdsConfig) =>
  Effect.gen(function*() {
    const facts = yield* look(run, listScript(config), "list its snapshots")
    const things = yield* readThings(facts)
    const records = yield* Effect.forEach(yield* read(facts, "images", Schema.Array(Schema.String)), readLine)
    const ours = records.filter(({ clusterId }) => clusterId === config.clusterId)
      .flatMap((record) => Option.toArray(foundAmong(things)(record)))
    const known = new Set(records.map(({ target }) => target.id))
    const older = things.disks.flatMap((row) => Option.toArray(goSnapshot(row, config)))
      .filter(({ id }) => !known.has(id))
    return [...ours, ...older].sort(Order.mapInput(Order.String, ({ id }: RdsSnapshot) => id))
  }).pipe(Effect.withSpan("RdsClient.listSnapshots"))

/** Each record with the name of its file in front; the records last, as for a single one. */
const listScript = ({ base }: RdsConfig): RosScript =>
  ros`${report("disks", disksWhere(ros`slot~"^snap-" or comment~"copying=snapshot/"`))};
    ${report("subvolumes", ros`[/disk/btrfs/subvolume/print detail as-value where name~"^snap-"]`)};
    :local a ({});
    :foreach i in=[/file/find where name~${`${startingWith(withoutSlash(`${base}/snap-`))}[^/]*\\.snap\$`}] do={
      :set a ($a, ([/file/get $i name] . " " . [/file/get $i contents]))
    };
    ${report("images", ros`$a`)}`

const readLine = Effect.fnUntraced(function*(line: string) {
  const end = line.indexOf(".snap ") + ".snap".length
  const record = ImageRecord.parse(line.slice(end + 1))
  return Option.isSome(record) ? record.value : yield* unreadable(line.slice(0, end))
})
