import { Clock, Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { Nqn } from "../volume/Nqn.ts"
import { imagePath, normalise, subvolumeImagePath, subvolumeOf } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows } from "./Appliance.ts"
import { attachScript, type Item } from "./AttachImage.ts"
import { bringOn } from "./BringOn.ts"
import { cloneSubvolume, readSubvolume, reportSubvolumes, type Subvolume } from "./Btrfs.ts"
import { createVolume } from "./CreateVolume.ts"
import { ApplianceRefused, type RdsError } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { copying, inTheWay, leftover, madeOfOther } from "./FillRefusals.ts"
import { type Source, sourceOf, tooLarge } from "./FillSource.ts"
import { dropImageRecord, readRecord, reportRecord, writeRecord } from "./ImageRecords.ts"
import type { CreateSpec, Holder, Origin, RdsVolume } from "./Model.ts"
import { checkFree, makeDirectories, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { abandonCopy } from "./Release.ts"
import { join, ros, type RosScript } from "./RouterOs.ts"
import { change, type Context, look } from "./Run.ts"
import { type SnapshotMethod, snapshotMethod } from "./SnapshotMethod.ts"
import { isAskedFor, reportSnapshot } from "./Snapshots.ts"
import { disksWhere, findVolume, onlyAsked, withNqnOf } from "./Volumes.ts"

/** What there is when a volume is to be made of something. */
interface Seen {
  readonly facts: Facts
  readonly volume: Option.Option<RdsVolume>
  readonly subvolume: Option.Option<Subvolume>
  readonly record: Option.Option<ImageRecord>
  /** Disks that have the volume's slot. */
  readonly taken: ReadonlyArray<DiskRow>
}

/** What a volume shall be, with all that follows from it. */
interface Plan extends CreateSpec {
  readonly content: Content.Content
  readonly maxBytes: bigint
  readonly target: Content.Content
  readonly slot: string
  readonly tag: string
}

type Step = { readonly kind: "clone" | "attach"; readonly script: RosScript }

/** Two steps, and what a race with another process undid. */
const maxRounds = 4

/**
 * Makes a volume of a snapshot or of another volume. What is there decides the next step, so that a call that was
 * interrupted is taken up where it ended: the record says what is to be made of what, then the content is put in place, then
 * the item is added, grown to the size and exported; the record goes last. Until it is exported nothing can use it.
 */
export const fillVolume =
  (context: Context) =>
  <E>(spec: CreateSpec, origin: Origin, holder: Holder<E>): Effect.Effect<RdsVolume, RdsError | E> =>
    Effect.gen(function*() {
      const { config, run } = context
      const plan = planOf(spec, origin, config)
      const attempt = `make volume ${plan.id} of ${Content.describe(plan.content)}`
      const looking = lookScript(plan, config)
      let facts = yield* look(run, looking, attempt)
      let last = Option.none<Step["kind"]>()
      for (let round = 0; round < maxRounds; round++) {
        const seen = yield* readSeen(facts, plan, config)
        if (Option.isSome(seen.volume)) return yield* asItIs(context, plan, seen, seen.volume.value)
        const { kind, script } = yield* nextStep(context, plan, seen, holder)
        const after = yield* change(run, ros`${script} ${looking}`, looking, attempt)
        if (Option.isSome(after.failure) && Option.contains(last, kind)) return yield* refusal(attempt, after.failure)
        facts = after.facts
        last = Option.some(kind)
      }
      return yield* new ApplianceRefused({
        message: `volume ${plan.id} could not be made: something else keeps changing its directory; retry`
      })
    }).pipe(Effect.withSpan("RdsClient.createFrom"))

const planOf = (spec: CreateSpec, { content, maxBytes }: Origin, { clusterId }: RdsConfig): Plan => ({
  ...spec,
  content,
  maxBytes,
  target: Content.ofVolume(spec.id),
  slot: VolumeId.slot(spec.id),
  tag: ItemComment.encode({ clusterId, volumeId: spec.id }, Option.some(content))
})

const lookScript = (plan: Plan, config: RdsConfig): RosScript => {
  const own = [withNqnOf(plan.id), ros`slot=${plan.slot}`]
  return ros`${reportRecord(plan.target, config)} ${reportPools};
    ${
    plan.content._tag === "Snapshot"
      ? reportSnapshot(plan.content.id, config, { disks: own, subvolumes: [plan.id] })
      : ros`${reportSubvolumes([plan.id, plan.content.id])};
          ${report("disks", disksWhere(join([...own, withNqnOf(plan.content.id)], ros`or`)))};`
  }`
}

const isAskedForBy = ({ content, id, slot }: Plan) => (row: DiskRow): boolean => {
  const isOfSource = content._tag === "Snapshot"
    ? isAskedFor(content.id)(row)
    : row["nvme-tcp-server-nqn"] === Nqn.ofVolume(content.id)
  return isOfSource || row.slot === slot || row["nvme-tcp-server-nqn"] === Nqn.ofVolume(id)
}

const readSeen = Effect.fnUntraced(function*(facts: Facts, plan: Plan, config: RdsConfig) {
  const disks = yield* onlyAsked(yield* read(facts, "disks", DiskRows), isAskedForBy(plan))
  return {
    facts,
    volume: yield* Effect.fromResult(findVolume(disks, plan.id)),
    subvolume: yield* readSubvolume(facts, plan.id, config),
    record: yield* readRecord(facts, plan.target, config),
    taken: disks.filter(({ slot }) => slot === plan.slot)
  } satisfies Seen
})

/** The volume, exported again if that was switched off. A record that an interrupted call left goes now. */
const asItIs = Effect.fnUntraced(function*({ config, run }: Context, plan: Plan, seen: Seen, volume: RdsVolume) {
  if (!volume.exported && Option.isNone(ItemComment.copyOf(volume.comment))) {
    return yield* createVolume(run, config)(plan)
  }
  if (Option.isSome(seen.record)) {
    const drop = dropImageRecord(plan.target, config)
    yield* change(run, drop, reportRecord(plan.target, config), `forget how volume ${plan.id} was made`)
  }
  return volume
})

const nextStep = <E>(
  context: Context,
  plan: Plan,
  seen: Seen,
  holder: Holder<E>
): Effect.Effect<Step, RdsError | E> =>
  Effect.gen(function*() {
    const record = Option.getOrUndefined(seen.record)
    if (record !== undefined && !Content.isSame(record.source, plan.content)) return yield* madeOfOther(record)
    if (record?.state === "copied") return yield* attach(context, plan, seen, record)
    if (record === undefined && Option.isSome(seen.subvolume)) return yield* leftover(plan, seen.subvolume.value.path)
    if (record !== undefined && Option.isSome(seen.subvolume)) return yield* attach(context, plan, seen, record)
    const [taken] = seen.taken
    if (taken !== undefined) return yield* inTheWay(taken, plan)
    const found = yield* placesOf(context, plan, seen)
    if (found.method === "btrfs") return yield* clone(context, plan, found)
    const progress = yield* copy(context, plan, found, holder)
    return progress.complete
      ? yield* attach(context, plan, seen, progress.record)
      : yield* copying(plan, progress.percent)
  })

/** Where the content is, and how it gets to where the volume shall be. */
interface Places {
  readonly source: Source
  readonly from: Pool
  readonly to: Pool
  readonly method: SnapshotMethod
}

const placesOf = Effect.fnUntraced(function*({ config, version }: Context, plan: Plan, { facts, record }: Seen) {
  const source = yield* sourceOf(facts, plan, config)
  const from = yield* readPool(facts, source.path)
  const to = yield* readPool(facts, plan.directory)
  const given = { mode: config.snapshots, version: yield* version, content: plan.content, path: source.path, from, to }
  const begun = Option.exists(record, ({ state }) => state === "copying")
  const method = begun ? "copy" : yield* Effect.fromResult(snapshotMethod(given))
  return { source, from, to, method } satisfies Places
})

const recordOf = Effect.fnUntraced(
  function*({ config }: Context, plan: Plan, source: Source, to: Pick<ImageRecord, "path" | "state">) {
    return {
      clusterId: config.clusterId,
      target: plan.target,
      source: plan.content,
      sizeBytes: source.sizeBytes,
      time: yield* Clock.currentTimeMillis,
      ...to
    } satisfies ImageRecord
  }
)

/** The content as it is now, in the new volume's subvolume. */
const clone = Effect.fnUntraced(function*(context: Context, plan: Plan, { from, source, to }: Places) {
  const { config } = context
  yield* checkRoom(to, plan, source.sizeBytes, config)
  const path = subvolumeImagePath(plan.directory, plan.id)
  const record = yield* recordOf(context, plan, source, { state: "subvolume", path })
  const subvolume = { pool: from, parent: subvolumeOf(source.path), path: subvolumeOf(path), readOnly: false }
  const script = ros`${makeDirectories(to, plan.directory)} ${writeRecord(record, config)} ${cloneSubvolume(subvolume)}`
  return { kind: "clone", script } satisfies Step
})

/** A copy of the content, beside other volumes' files. */
const copy = <E>(context: Context, plan: Plan, { source, to }: Places, holder: Holder<E>) =>
  Effect.gen(function*() {
    const { config, run } = context
    const path = imagePath(plan.directory, plan.id)
    return yield* bringOn(run, config, {
      record: yield* recordOf(context, plan, source, { state: "copying", path }),
      from: source.path,
      room: checkRoom(to, plan, 0n, config),
      directories: makeDirectories(to, plan.directory),
      holder
    })
  })

/** For what the volume shall be larger than what it is made of; the rest is shared. */
const checkRoom = (pool: Pool, { id, sizeBytes }: Plan, presentBytes: bigint, { reserveBytes }: RdsConfig) =>
  sizeBytes <= presentBytes ? Effect.void : checkFree(pool, sizeBytes - presentBytes, {
    reserveBytes,
    purpose: `for volume ${id} of ${formatBytes(sizeBytes)}`
  })

const attach = Effect.fnUntraced(function*({ config, run }: Context, plan: Plan, seen: Seen, record: ImageRecord) {
  if (record.state === "copied") yield* abandonCopy(run, record)
  const stranger = seen.taken.find((row) =>
    row.comment !== plan.tag || normalise(row["file-path"] ?? "") !== record.path
  )
  if (stranger !== undefined) return yield* inTheWay(stranger, plan)
  if (record.sizeBytes > plan.maxBytes) {
    return yield* tooLarge(plan.id, plan.content, record.sizeBytes, plan.maxBytes)
  }
  yield* checkRoom(yield* readPool(seen.facts, record.path), plan, record.sizeBytes, config)
  const item: Item = {
    slot: plan.slot,
    nqn: Nqn.ofVolume(plan.id),
    port: plan.port,
    path: record.path,
    sizeBytes: plan.sizeBytes > record.sizeBytes ? plan.sizeBytes : record.sizeBytes,
    tag: plan.tag,
    letsIn: config.newVolumesLetIn,
    empty: false
  }
  const script = ros`${attachScript(item)}
    :if ([:len [/disk/find where nvme-tcp-server-nqn=$vq and nvme-tcp-export]] > 0) do={
      ${dropImageRecord(plan.target, config)}
    };`
  return { kind: "attach", script } satisfies Step
})
