import { Clock, Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import { Nqn } from "../volume/Nqn.ts"
import {
  directoryOf,
  imagePath,
  subvolumeImagePath,
  subvolumeOf,
  type VolumePath,
  withoutSlash
} from "../volume/PathRules.ts"
import { Count, DiskRows, SubvolumeRows } from "./Appliance.ts"
import { bringOn } from "./BringOn.ts"
import { cloneSubvolume, countSubvolumes, removeSubvolume } from "./Btrfs.ts"
import { reportScripts } from "./CopyJob.ts"
import { ApplianceConflict, MadeOfOther, type RdsError, SourceMissing } from "./Errors.ts"
import { type Facts, read } from "./Facts.ts"
import { readRecord, writeRecord } from "./ImageRecords.ts"
import type { Holder, RdsSnapshot, RdsVolume, SnapshotSpec } from "./Model.ts"
import { checkFree, makeDirectories, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { abandonCopy } from "./Release.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, type Context, look } from "./Run.ts"
import { type SnapshotMethod, snapshotMethod } from "./SnapshotMethod.ts"
import { type FoundSnapshot, isAskedFor, readSnapshot, reportSnapshot, toSnapshot } from "./Snapshots.ts"
import { findVolume, onlyAsked, withNqnOf } from "./Volumes.ts"

/** What there is when a snapshot is asked for. */
interface Seen {
  readonly facts: Facts
  readonly record: Option.Option<ImageRecord>
  readonly found: Option.Option<FoundSnapshot>
  readonly source: Option.Option<RdsVolume>
  /** Whether there is a subvolume of its name. */
  readonly occupied: boolean
  /** Whether there still is the script of a copy. */
  readonly scripts: boolean
}

/**
 * Looks at what there is; a snapshot that is ready is answered as it is. Else the record is written, which says what is to
 * be made of what, and the source is cut. A cut that was interrupted is made now, and that is its time.
 */
export const cutSnapshot =
  (context: Context) => <E>(spec: SnapshotSpec, holder: Holder<E>): Effect.Effect<RdsSnapshot, RdsError | E> =>
    Effect.gen(function*() {
      const { config, run } = context
      const seen = yield* readSeen(yield* look(run, lookScript(spec, config), attemptOf(spec)), spec, config)
      const { found, record, source } = seen
      if (Option.isSome(record) && !Content.isSame(record.value.source, Content.ofVolume(spec.source))) {
        return yield* madeOfOther(record.value)
      }
      if (Option.isSome(found) && found.value.ready) {
        if (seen.scripts) {
          yield* Effect.forEach(Option.toArray(record), (ended) => abandonCopy(run, ended), { discard: true })
        }
        return found.value
      }
      if (Option.isNone(source)) return yield* sourceMissing(spec)
      if (Option.isNone(record) && seen.occupied) return yield* occupied(spec)
      const wanted = yield* planOf(context, spec, seen, source.value)
      return wanted.method === "btrfs"
        ? yield* cutSubvolume(context, spec, wanted)
        : yield* cutByCopy(context, spec, wanted, holder)
    }).pipe(Effect.withSpan("RdsClient.snapshot"))

const attemptOf = ({ id }: SnapshotSpec) => `cut snapshot ${id}`

/** How the cut is to be made, if it is made now. */
interface Plan {
  readonly method: SnapshotMethod
  readonly volume: RdsVolume
  readonly from: Pool
  readonly to: Pool
  readonly directory: VolumePath
  readonly record: ImageRecord
}

const planOf = Effect.fnUntraced(
  function*({ config, version }: Context, spec: SnapshotSpec, { facts, record }: Seen, volume: RdsVolume) {
    const begun = Option.filter(record, ({ state }) => state === "copying")
    const directory = Option.match(begun, {
      onNone: () => Option.getOrElse(spec.directory, () => placeOf(volume, config)),
      onSome: ({ path, target }) => Option.getOrElse(directoryOf(path, target.id), () => config.base)
    })
    const from = yield* readPool(facts, volume.path)
    const to = yield* readPool(facts, directory)
    const content = Content.ofVolume(volume.id)
    const given = { mode: config.snapshots, version: yield* version, content, path: volume.path, from, to }
    const method = Option.isSome(begun) ? "copy" : yield* Effect.fromResult(snapshotMethod(given))
    const wanted: ImageRecord = {
      clusterId: config.clusterId,
      target: Content.ofSnapshot(spec.id),
      source: content,
      sizeBytes: volume.sizeBytes,
      time: yield* Clock.currentTimeMillis,
      state: method === "btrfs" ? "subvolume" : "copying",
      path: method === "btrfs" ? subvolumeImagePath(directory, spec.id) : imagePath(directory, spec.id)
    }
    return { method, volume, from, to, directory, record: wanted } satisfies Plan
  }
)

const cutSubvolume = Effect.fnUntraced(function*({ config, run }: Context, spec: SnapshotSpec, plan: Plan) {
  const looking = lookScript(spec, config)
  const script = ros`${makeDirectories(plan.to, plan.directory)} ${cutScript(plan, config)} ${looking}`
  const after = yield* change(run, script, looking, attemptOf(spec))
  const made = yield* readSeen(after.facts, spec, config)
  return Option.isSome(made.found) ? made.found.value : yield* refusal(attemptOf(spec), after.failure)
})

/** The cut is the moment at which the volume was taken off the network. */
const cutByCopy = <E>({ config, run }: Context, spec: SnapshotSpec, plan: Plan, holder: Holder<E>) =>
  Effect.gen(function*() {
    const { directory, record, to, volume } = plan
    const room = checkFree(to, volume.sizeBytes, {
      reserveBytes: config.reserveBytes,
      purpose: `for a copy of volume ${volume.id} of ${formatBytes(volume.sizeBytes)}`
    })
    const directories = makeDirectories(to, directory)
    const progress = yield* bringOn(run, config, { record, from: volume.path, room, directories, holder })
    return yield* Effect.fromOption(toSnapshot(progress.record)).pipe(Effect.mapError(() => sourceMissing(spec)))
  })

const placeOf = ({ id, path }: RdsVolume, { base }: RdsConfig) => Option.getOrElse(directoryOf(path, id), () => base)

const lookScript = ({ id, source }: SnapshotSpec, config: RdsConfig): RosScript =>
  ros`${reportSnapshot(id, config, { disks: [withNqnOf(source)] })} ${reportPools};
    ${reportScripts(Content.ofSnapshot(id))};`

const readSeen = Effect.fnUntraced(function*(facts: Facts, spec: SnapshotSpec, config: RdsConfig) {
  const disks = yield* onlyAsked(
    yield* read(facts, "disks", DiskRows),
    (row) => isAskedFor(spec.id)(row) || row["nvme-tcp-server-nqn"] === Nqn.ofVolume(spec.source)
  )
  return {
    facts,
    record: yield* readRecord(facts, Content.ofSnapshot(spec.id), config),
    found: yield* readSnapshot(facts, spec.id, config),
    source: yield* Effect.fromResult(findVolume(disks, spec.source)),
    occupied: (yield* read(facts, "subvolumes", SubvolumeRows)).some(({ name }) => name === spec.id),
    scripts: (yield* read(facts, "scripts", Count)) > 0n
  } satisfies Seen
})

/**
 * The record is written first, so that whatever the script comes to can be told and removed. A subvolume without the
 * backing file would be no snapshot: that the source's subvolume is the parent is RouterOS' word only.
 */
const cutScript = ({ from, record, volume }: Plan, config: RdsConfig): RosScript => {
  const path = subvolumeOf(record.path)
  return ros`:if (${countSubvolumes(record.target.id)} = 0) do={
    ${writeRecord(record, config)}
    ${cloneSubvolume({ pool: from, parent: subvolumeOf(volume.path), path, readOnly: true })}
    :if ([:len [/file/find where name=${withoutSlash(record.path)}]] = 0) do={
      ${removeSubvolume({ label: from.label, path })} :error "the new subvolume does not hold the image"
    }
  };`
}

const madeOfOther = ({ source, target }: ImageRecord) =>
  new MadeOfOther({
    message: `${Content.describe(target)} exists already, and is of ${Content.describe(source)}; delete it, or take ` +
      "another name"
  })

const sourceMissing = ({ id, source }: SnapshotSpec) =>
  new SourceMissing({ message: `volume ${source}, of which snapshot ${id} is wanted, does not exist on the appliance` })

const occupied = ({ id }: SnapshotSpec) =>
  new ApplianceConflict({
    message: `snapshot ${id} cannot be cut: there is a subvolume of that name on the appliance, and no record of it; ` +
      "remove or rename it"
  })
