import { Effect, Metric, Option, Schema } from "effect"
import { copiesTotal, copyProgressRatio } from "../observability/Metrics.ts"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import type { VolumePath } from "../volume/PathRules.ts"
import { Count, FileRows } from "./Appliance.ts"
import { dropScript, prepareScript, reportCopy, reportJobs, startScript } from "./CopyJob.ts"
import { ApplianceConflict, ApplianceRefused, CopyRunning, type RdsError, type ScriptFailed } from "./Errors.ts"
import { type Facts, read } from "./Facts.ts"
import { readRecord, reportRecord, writeRecord } from "./ImageRecords.ts"
import { keepStill, type Kept } from "./KeepStill.ts"
import type { Holder, RdsVolume } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { abandonCopy, isMarkedFor, reportVolume } from "./Release.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { readVolume } from "./Volumes.ts"

/** A copy that is wanted. */
export interface WantedCopy<E> {
  /** What is to be on record if it begins now. */
  readonly record: ImageRecord
  readonly from: VolumePath
  /** Whether there is room; asked before the copy begins. */
  readonly room: Effect.Effect<void, RdsError>
  /** Makes the directory; run before the copy begins. */
  readonly directories: RosScript
  /** Who holds the volume that is read. */
  readonly holder: Holder<E>
}

/** How far a copy is. */
export interface Progress {
  /** As it is on record. */
  readonly record: ImageRecord
  readonly complete: boolean
  readonly percent: number
}

/** What there is of a copy. */
interface Seen {
  readonly record: Option.Option<ImageRecord>
  readonly running: boolean
  /** Bytes of the target; none if it is not there. */
  readonly copiedBytes: Option.Option<bigint>
  /** The volume that is read, if it is one. */
  readonly volume: Option.Option<RdsVolume>
  /** What stopped the last job. */
  readonly stopped: Option.Option<string>
}

/**
 * Brings a copy on as far as it goes now: begins it, begins it anew if it was interrupted, tidies up when it is complete.
 * A volume that is read is free and off the network from the cut to the end; what says so is on the appliance, so that
 * neither a restart nor another replica of this driver lets a node use it.
 */
export const bringOn = <E>(run: Run, config: RdsConfig, wanted: WantedCopy<E>): Effect.Effect<Progress, RdsError | E> =>
  Effect.gen(function*() {
    const { target } = wanted.record
    const attempt = attemptOf(wanted.record)
    const facts = yield* look(run, lookScript(wanted.record, config), attempt)
    const seen = yield* readSeen(facts, wanted.record, config)
    const progress = progressOf(seen, wanted.record)
    yield* Metric.update(progressOfKind(target), progress.percent / 100)
    if (progress.complete) return yield* Effect.as(tidyUp(run, progress.record), progress)
    if (seen.running) return progress
    if (Option.isSome(seen.stopped)) return yield* stopped(run, target, seen.stopped.value, attempt)
    if (Option.isNone(seen.record) && Option.isSome(seen.copiedBytes)) return yield* occupied(wanted.record)
    return yield* begin(run, config, wanted, seen)
  })

/** Makes the volume still, lays the script ready and starts it; then looks whether it did begin. */
const begin = <E>(run: Run, config: RdsConfig, wanted: WantedCopy<E>, seen: Seen) =>
  Effect.gen(function*() {
    const { source, target } = wanted.record
    const attempt = attemptOf(wanted.record)
    yield* wanted.room
    const copy = yield* source._tag === "Volume"
      ? keepStill(run, config, { ...wanted, seen })
      : Effect.succeed<Kept>({ record: Option.getOrElse(seen.record, () => wanted.record), still: Option.none() })
    const looking = lookScript(wanted.record, config)
    const record = ros`${wanted.directories} ${writeRecord(copy.record, config)}`
    const script = ros`${record} ${prepareScript({ ...copy, from: wanted.from }, config)}`
    yield* Effect.flatMap(change(run, script, looking, attempt), orRefuse(attempt))
    const after = yield* change(run, ros`${startScript(target)} ${looking}`, looking, attempt)
    yield* orRefuse(attempt)(after)
    yield* count(Option.isSome(seen.record) ? "again" : "begun")
    const begun = yield* readSeen(after.facts, wanted.record, config)
    const progress = progressOf(begun, copy.record)
    if (Option.isSome(begun.stopped)) return yield* stopped(run, target, begun.stopped.value, attempt)
    const isKept = Option.isNone(copy.still) || Option.exists(begun.volume, isMarkedFor(target))
    return progress.complete || isKept ? progress : yield* released(wanted.record)
  })

const attemptOf = ({ source, target }: ImageRecord) => `copy ${Content.describe(source)} to ${Content.describe(target)}`

/** In the order in which a job ends, backwards: what is on record is never older than the sight of a job that is gone. */
const lookScript = ({ path, source, target }: ImageRecord, config: RdsConfig): RosScript =>
  ros`${source._tag === "Volume" ? ros`${reportVolume(source.id)};` : ros``}
    ${reportCopy(target, path)} ${reportRecord(target, config)}`

const readSeen = Effect.fnUntraced(function*(facts: Facts, { source, target }: ImageRecord, config: RdsConfig) {
  const [file] = yield* read(facts, "copied", FileRows)
  const comment = facts.has("failed") ? (yield* read(facts, "failed", Schema.NullOr(Schema.String))) ?? "" : ""
  return {
    record: yield* readRecord(facts, target, config),
    running: (yield* read(facts, "jobs", Count)) > 0n,
    copiedBytes: file === undefined ? Option.none() : Option.some(file.size ?? 0n),
    volume: source._tag === "Volume" ? yield* readVolume(facts, source.id) : Option.none(),
    stopped: comment === "" ? Option.none() : Option.some(comment)
  } satisfies Seen
})

const progressOf = ({ copiedBytes, record }: Seen, wanted: ImageRecord): Progress => {
  const current = Option.getOrElse(record, () => wanted)
  const complete = Option.isSome(record) && current.state === "copied"
  const bytes = Option.getOrElse(copiedBytes, () => 0n)
  const percent = current.sizeBytes === 0n ? 0 : Number(bytes * 100n / current.sizeBytes)
  return { record: current, complete, percent: complete ? 100 : Math.min(percent, 99) }
}

/** What RouterOS stopped is not begun. */
const orRefuse = (attempt: string) => ({ failure }: { readonly failure: Option.Option<ScriptFailed> }) =>
  Option.isSome(failure) ? Effect.fail(refusal(attempt, failure)) : Effect.void

const progressOfKind = (target: Content.Content) =>
  Metric.withAttributes(copyProgressRatio, { target: target._tag.toLowerCase() })

/** A job that ended well leaves its script; one that was killed at the last moment leaves the volume marked, too. */
const tidyUp = (run: Run, record: ImageRecord) => Effect.andThen(abandonCopy(run, record), count("completed"))

const count = (outcome: string) => Metric.update(Metric.withAttributes(copiesTotal, { outcome }), 1)

/** The reason is told once. The next call begins anew, since what was in the way may be gone. */
const stopped = Effect.fnUntraced(function*(run: Run, target: Content.Content, why: string, attempt: string) {
  yield* change(run, dropScript(target), reportJobs(target), attempt)
  yield* count("failed")
  return yield* new ApplianceRefused({ message: `the appliance could not ${attempt}: ${why}` })
})

const occupied = ({ path, target }: ImageRecord) =>
  new ApplianceConflict({
    message:
      `nothing is copied to ${Content.describe(target)}: the file ${path} exists on the appliance and is not on ` +
      "record; remove or rename it"
  })

/** A node that wanted the volume came first, or the copy was over without a word; then there is no cut. */
const released = ({ source, target }: ImageRecord) =>
  new CopyRunning({
    message: `${Content.describe(source)} was released before its copy to ${
      Content.describe(target)
    } had begun; try again`
  })
