import { Clock, Effect, Option } from "effect"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import { directoryOf, subvolumeImagePath, subvolumeOf, withoutSlash } from "../volume/PathRules.ts"
import { DiskRows, SubvolumeRows } from "./Appliance.ts"
import { cloneSubvolume, countSubvolumes, removeSubvolume } from "./Btrfs.ts"
import { ApplianceConflict, MadeOfOther, SourceMissing } from "./Errors.ts"
import { type Facts, read } from "./Facts.ts"
import { readRecord, writeRecord } from "./ImageRecords.ts"
import type { RdsVolume, SnapshotSpec } from "./Model.ts"
import { makeDirectories, type Pool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { snapshotMethod } from "./SnapshotMethod.ts"
import { type FoundSnapshot, readSnapshot, reportSnapshot } from "./Snapshots.ts"
import { findVolume, withNqnOf } from "./Volumes.ts"

/** What there is when a snapshot is asked for. */
interface Seen {
  readonly record: Option.Option<ImageRecord>
  readonly found: Option.Option<FoundSnapshot>
  readonly source: Option.Option<RdsVolume>
}

/**
 * Looks at what there is; a snapshot that is ready is answered as it is. Else the record is written, which says what is to
 * be made of what, and the source is cut. A cut that was interrupted is made now, and that is its time.
 */
export const cutSnapshot = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.snapshot")(function*(spec: SnapshotSpec) {
    const attempt = `cut snapshot ${spec.id}`
    const facts = yield* look(run, lookScript(spec, config), attempt)
    const { found, record, source } = yield* readSeen(facts, spec, config)
    const target = Content.ofSnapshot(spec.id)
    if (Option.isSome(record) && !Content.isSame(record.value.source, Content.ofVolume(spec.source))) {
      return yield* madeOfOther(record.value)
    }
    if (Option.isSome(found) && found.value.ready) return found.value
    if (Option.isNone(source)) return yield* sourceMissing(spec)
    if (Option.isNone(record) && (yield* read(facts, "subvolumes", SubvolumeRows)).length > 0) {
      return yield* occupied(spec)
    }

    const volume = source.value
    const pool = yield* readPool(facts, volume.path)
    const directory = Option.getOrElse(spec.directory, () => placeOf(volume, config))
    const to = yield* readPool(facts, directory)
    yield* Effect.fromResult(snapshotMethod({
      mode: config.snapshots,
      what: `volume ${volume.id}`,
      id: volume.id,
      path: volume.path,
      from: pool,
      to
    }))
    const wanted: ImageRecord = {
      clusterId: config.clusterId,
      target,
      source: Content.ofVolume(volume.id),
      sizeBytes: volume.sizeBytes,
      time: yield* Clock.currentTimeMillis,
      state: "subvolume",
      path: subvolumeImagePath(directory, spec.id)
    }
    const after = yield* change(
      run,
      ros`${makeDirectories(to, directory)} ${cutScript(wanted, volume, pool, config)} ${lookScript(spec, config)}`,
      lookScript(spec, config),
      attempt
    )
    const made = yield* readSeen(after.facts, spec, config)
    if (Option.isSome(made.found)) return made.found.value
    return yield* refusal(attempt, after.failure)
  })

const placeOf = ({ id, path }: RdsVolume, { base }: RdsConfig) => Option.getOrElse(directoryOf(path, id), () => base)

const lookScript = ({ id, source }: SnapshotSpec, config: RdsConfig): RosScript =>
  ros`${reportSnapshot(id, config, { disks: [withNqnOf(source)] })} ${reportPools};`

const readSeen = Effect.fnUntraced(function*(facts: Facts, spec: SnapshotSpec, config: RdsConfig) {
  const disks = yield* read(facts, "disks", DiskRows)
  return {
    record: yield* readRecord(facts, Content.ofSnapshot(spec.id), config),
    found: yield* readSnapshot(facts, spec.id, config),
    source: yield* Effect.fromResult(findVolume(disks, spec.source))
  } satisfies Seen
})

/**
 * The record is written first, so that whatever the script comes to can be told and removed. A subvolume without the
 * backing file would be no snapshot: that the source's subvolume is the parent is RouterOS' word only.
 */
const cutScript = (record: ImageRecord, volume: RdsVolume, pool: Pool, config: RdsConfig): RosScript => {
  const path = subvolumeOf(record.path)
  const subvolume = { label: pool.label, path }
  return ros`:if (${countSubvolumes(record.target.id)} = 0) do={
    ${writeRecord(record, config)}
    ${cloneSubvolume({ pool, parent: subvolumeOf(volume.path), path, readOnly: true })}
    :if ([:len [/file/find where name=${withoutSlash(record.path)}]] = 0) do={
      ${removeSubvolume(subvolume)} :error "the new subvolume does not hold the image"
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
