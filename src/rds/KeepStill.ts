import { Effect, Option } from "effect"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { releaseScript, reportJobs, stillScript } from "./CopyJob.ts"
import { ApplianceConflict, type RdsError, SourceInUse, SourceMissing } from "./Errors.ts"
import { dropImageRecord, writeRecord } from "./ImageRecords.ts"
import type { Holder, RdsVolume } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { isMarkedFor, releaseVolume, reportVolume } from "./Release.ts"
import { ros } from "./RouterOs.ts"
import { change, type Run } from "./Run.ts"
import { readVolume } from "./Volumes.ts"

/** A volume that stays as it is, and the record of what it is being copied to. */
export interface Kept {
  readonly record: ImageRecord
  readonly still: Option.Option<RdsVolume>
}

interface Wanted<E> {
  readonly record: ImageRecord
  readonly holder: Holder<E>
  readonly seen: { readonly record: Option.Option<ImageRecord>; readonly volume: Option.Option<RdsVolume> }
}

/**
 * Makes sure that nobody writes to the volume until the copy has ended. Who holds it is asked twice: before, so that a
 * volume in use is never taken off the network, and afterwards, so that whoever got it in between is seen. From then on a
 * node cannot connect to it, and a publish finds the mark. A volume that is kept already keeps the time of its cut.
 */
export const keepStill = <E>(run: Run, config: RdsConfig, wanted: Wanted<E>): Effect.Effect<Kept, RdsError | E> =>
  Effect.gen(function*() {
    const { record: { source, target }, seen } = wanted
    if (Option.isNone(seen.volume)) return yield* sourceMissing(source)
    const isKept = isMarkedFor(target)(seen.volume.value)
    const kept = isKept && Option.isSome(seen.record)
      ? { record: seen.record.value, volume: seen.volume.value }
      : yield* mark(run, config, wanted, seen.volume.value)
    const holder = yield* wanted.holder
    if (Option.isSome(holder)) {
      const forget = Option.isNone(seen.record) ? dropImageRecord(target, config) : ros``
      const undo = ros`${releaseScript(kept.volume, target)} ${forget}`
      yield* change(run, undo, reportJobs(target), `export volume ${kept.volume.id} again`)
      return yield* inUse(kept.volume, holder.value)
    }
    return { record: kept.record, still: Option.some(kept.volume) }
  })

const mark = <E>(run: Run, config: RdsConfig, { holder, record: wanted }: Wanted<E>, found: RdsVolume) =>
  Effect.gen(function*() {
    const volume = yield* releaseVolume(run, config)(found)
    if (!volume.exported) return yield* notExported(volume)
    const node = yield* holder
    if (Option.isSome(node)) return yield* inUse(volume, node.value)
    const record = { ...wanted, sizeBytes: volume.sizeBytes }
    const attempt = `take volume ${volume.id} off the network`
    const looking = reportVolume(volume.id)
    const script = ros`${writeRecord(record, config)} ${stillScript(volume, wanted.target)} ${looking}`
    const { facts, failure } = yield* change(run, script, looking, attempt)
    const after = yield* readVolume(facts, volume.id)
    if (Option.isNone(after) || after.value.exported || !isMarkedFor(wanted.target)(after.value)) {
      return yield* refusal(attempt, failure)
    }
    return { record, volume: { ...after.value, comment: ItemComment.withCopy(volume.comment, wanted.target) } }
  })

const sourceMissing = (source: Content.Content) =>
  new SourceMissing({ message: `${Content.describe(source)}, which is to be copied, does not exist on the appliance` })

const notExported = ({ id, slot }: RdsVolume) =>
  new ApplianceConflict({
    message:
      `volume ${id} is not exported by the appliance, so its deletion may have been begun: switch the export of ` +
      `slot ${slot} on again to copy it`
  })

const inUse = ({ id }: RdsVolume, node: string) =>
  new SourceInUse({
    message:
      `volume ${id} is attached to node ${node}, and a copy of a volume in use is of no moment in time: detach it ` +
      "first, or use a volume on a btrfs pool"
  })
