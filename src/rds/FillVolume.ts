import { Clock, Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { Nqn } from "../volume/Nqn.ts"
import { normalise, subvolumeImagePath, subvolumeOf, type VolumePath } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows } from "./Appliance.ts"
import { attachScript, type Item } from "./AttachImage.ts"
import { cloneSubvolume, readSubvolume, reportSubvolumes, type Subvolume } from "./Btrfs.ts"
import { createVolume } from "./CreateVolume.ts"
import {
  ApplianceConflict,
  ApplianceRefused,
  CopyRunning,
  MadeOfOther,
  SourceMissing,
  SourceTooLarge
} from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import { dropImageRecord, readRecord, reportRecord, writeRecord } from "./ImageRecords.ts"
import type { CreateSpec, Origin, RdsVolume } from "./Model.ts"
import { checkFree, makeDirectories, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { join, ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { snapshotMethod } from "./SnapshotMethod.ts"
import { readSnapshot, reportSnapshot } from "./Snapshots.ts"
import { disksWhere, findVolume, nameOf, withNqnOf } from "./Volumes.ts"

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

/** Where the content is now. */
interface Source {
  readonly path: VolumePath
  readonly sizeBytes: bigint
}

type Step = { readonly kind: "clone" | "attach"; readonly script: RosScript }

/** Two steps, and what a race with another process undid. */
const maxRounds = 4

/**
 * Makes a volume of a snapshot or of another volume. What is there decides the next step, so that a call that was
 * interrupted is taken up where it ended: the record says what is to be made of what, then the content is put in place, then
 * the item is added, grown to the size and exported; the record goes last. Until it is exported nothing can use it.
 */
export const fillVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.createFrom")(function*(spec: CreateSpec, origin: Origin) {
    const plan = planOf(spec, origin, config)
    const attempt = `make volume ${plan.id} of ${Content.describe(plan.content)}`
    const looking = lookScript(plan, config)
    let facts = yield* look(run, looking, attempt)
    let last = Option.none<Step["kind"]>()
    for (let round = 0; round < maxRounds; round++) {
      const seen = yield* readSeen(facts, plan, config)
      if (Option.isSome(seen.volume)) {
        if (seen.volume.value.exported && Option.isSome(seen.record)) {
          yield* change(run, dropImageRecord(plan.target, config), looking, attempt)
        }
        return yield* asItIs(run, config, spec, seen.volume.value)
      }
      const { kind, script } = yield* nextStep(seen, plan, config)
      const after = yield* change(run, ros`${script} ${looking}`, looking, attempt)
      if (Option.isSome(after.failure) && Option.contains(last, kind)) return yield* refusal(attempt, after.failure)
      facts = after.facts
      last = Option.some(kind)
    }
    return yield* new ApplianceRefused({
      message: `volume ${plan.id} could not be made: something else keeps changing its directory; retry`
    })
  })

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

const readSeen = Effect.fnUntraced(function*(facts: Facts, plan: Plan, config: RdsConfig) {
  const disks = yield* read(facts, "disks", DiskRows)
  return {
    facts,
    volume: yield* Effect.fromResult(findVolume(disks, plan.id)),
    subvolume: yield* readSubvolume(facts, plan.id, config),
    record: yield* readRecord(facts, plan.target, config),
    taken: disks.filter(({ slot }) => slot === plan.slot)
  } satisfies Seen
})

/** The volume, exported again if that was switched off. */
const asItIs = (run: Run, config: RdsConfig, spec: CreateSpec, volume: RdsVolume) =>
  volume.exported || Option.isSome(ItemComment.copyOf(volume.comment))
    ? Effect.succeed(volume)
    : createVolume(run, config)(spec)

const nextStep = Effect.fnUntraced(function*(seen: Seen, plan: Plan, config: RdsConfig) {
  const record = Option.getOrUndefined(seen.record)
  if (record !== undefined && !Content.isSame(record.source, plan.content)) return yield* madeOfOther(record)
  if (record === undefined && Option.isSome(seen.subvolume)) return yield* leftover(plan, seen.subvolume.value.path)
  if (record !== undefined && Option.isSome(seen.subvolume)) return yield* attach(seen, record, plan, config)
  const [taken] = seen.taken
  return taken === undefined ? yield* clone(seen, plan, config) : yield* inTheWay(taken, plan)
})

/** The content as it is now, in the new volume's subvolume. */
const clone = Effect.fnUntraced(function*(seen: Seen, plan: Plan, config: RdsConfig) {
  const source = yield* sourceOf(seen.facts, plan, config)
  const from = yield* readPool(seen.facts, source.path)
  const to = yield* readPool(seen.facts, plan.directory)
  yield* Effect.fromResult(snapshotMethod({
    mode: config.snapshots,
    what: Content.describe(plan.content),
    id: plan.content.id,
    path: source.path,
    from,
    to
  }))
  yield* checkRoom(to, plan, source.sizeBytes, config)
  const path = subvolumeImagePath(plan.directory, plan.id)
  const record: ImageRecord = {
    clusterId: config.clusterId,
    target: plan.target,
    source: plan.content,
    sizeBytes: source.sizeBytes,
    time: yield* Clock.currentTimeMillis,
    state: "subvolume",
    path
  }
  const subvolume = { pool: from, parent: subvolumeOf(source.path), path: subvolumeOf(path), readOnly: false }
  const script = ros`${makeDirectories(to, plan.directory)} ${writeRecord(record, config)} ${cloneSubvolume(subvolume)}`
  return { kind: "clone", script } satisfies Step
})

/** Fails if there is none, or none yet, or if it does not fit. */
const sourceOf = Effect.fnUntraced(
  function*(facts: Facts, { content, id, maxBytes }: Plan, config: RdsConfig) {
    const found: Option.Option<Source & { readonly ready?: boolean }> = content._tag === "Snapshot"
      ? yield* readSnapshot(facts, content.id, config)
      : yield* Effect.fromResult(findVolume(yield* read(facts, "disks", DiskRows), content.id))
    if (Option.isNone(found)) return yield* sourceMissing(id, content)
    if (found.value.ready === false) return yield* notReady(id, content)
    if (found.value.sizeBytes > maxBytes) return yield* tooLarge(id, content, found.value.sizeBytes, maxBytes)
    return found.value
  }
)

/** For what the volume shall be larger than what it is made of; the rest is shared. */
const checkRoom = (pool: Pool, { id, sizeBytes }: Plan, presentBytes: bigint, { reserveBytes }: RdsConfig) =>
  sizeBytes <= presentBytes ? Effect.void : checkFree(pool, sizeBytes - presentBytes, {
    reserveBytes,
    purpose: `for volume ${id} of ${formatBytes(sizeBytes)}`
  })

const attach = Effect.fnUntraced(function*(seen: Seen, record: ImageRecord, plan: Plan, config: RdsConfig) {
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
    empty: false
  }
  const script = ros`${attachScript(item)}
    :if ([:len [/disk/find where nvme-tcp-server-nqn=$vq and nvme-tcp-export]] > 0) do={
      ${dropImageRecord(plan.target, config)}
    };`
  return { kind: "attach", script } satisfies Step
})

const madeOfOther = ({ source, target }: ImageRecord) =>
  new MadeOfOther({
    message: `${Content.describe(target)} is being made of ${Content.describe(source)}; delete it, or take another name`
  })

const leftover = ({ id }: Plan, path: string) =>
  new ApplianceConflict({
    message:
      `volume ${id} cannot be made: ${path} exists on the appliance and may hold data, so it is left alone; remove ` +
      "or rename it"
  })

const inTheWay = (row: DiskRow, { id, slot }: Plan) =>
  new ApplianceConflict({
    message:
      `volume ${id} cannot be made: ${nameOf(row)} on the appliance already uses the slot ${slot} and is not this ` +
      "volume; remove or rename it"
  })

const sourceMissing = (id: VolumeId, content: Content.Content) =>
  new SourceMissing({
    message: `${Content.describe(content)}, of which volume ${id} is wanted, does not exist on the appliance`
  })

const notReady = (id: VolumeId, content: Content.Content) =>
  new CopyRunning({
    message: `${Content.describe(content)}, of which volume ${id} is wanted, is still being copied; try again later`
  })

const tooLarge = (id: VolumeId, content: Content.Content, sizeBytes: bigint, maxBytes: bigint) =>
  new SourceTooLarge({
    message:
      `volume ${id} cannot be made of ${Content.describe(content)}: that has ${formatBytes(sizeBytes)}, and no more ` +
      `than ${formatBytes(maxBytes)} are asked for`
  })
