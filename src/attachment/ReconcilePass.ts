import { Clock, Duration, Effect, Metric, Option } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import { forEachInterleaved } from "../volume/Interleave.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { announce, countReconcile } from "./Announce.ts"
import type { Command } from "./Attachment.ts"
import { type AttachmentRecord, AttachmentStore, type ListedRecord } from "./AttachmentStore.ts"
import { amend } from "./Commit.ts"
import { type Earlier, type Look, lookAgain, nextEnd } from "./GracePeriod.ts"
import { type Findings, inspect } from "./Inspection.ts"

/** A look, and the time by which records and attachments had been read for it. */
interface Sight {
  readonly look: Look
  readonly seenBy: bigint
}

/** Volumes that are worked on at a time. */
const concurrency = 16

/** How a pass looks at things. */
export interface PassOptions {
  /** The driver has just started, and has granted nothing yet. */
  readonly starting: boolean
  /** How long a grant without an attachment is left alone. */
  readonly gracePeriod: Duration.Duration
  /** What the pass before noted. */
  readonly earlier: Earlier
}

/**
 * Compares all grants with all attachments. Attached nodes without a grant become holders; a grant without an attachment for
 * the grace period is dropped, if its node exists or has been missing for as long; an unreadable record is rebuilt after the
 * grace period. Each volume is dealt with by itself, and left for the next pass when that fails or somebody else writes.
 *
 * Answers the volumes that were compared, whether everything was done that was to be done, what the next pass is to know, and
 * when the next grace period ends (nanoseconds of the monotonic clock).
 */
export const reconcilePass = Effect.fn("Reconciler.pass")(function*(options: PassOptions) {
  const store = yield* AttachmentStore
  const begun = yield* Clock.monotonicTimeNanos
  const gracePeriod = Duration.toNanosUnsafe(options.gracePeriod)
  const look = lookAgain(options.earlier, begun, gracePeriod)
  // In this order: a write that rests on the record then fails if an attachment came or went after the record was read.
  const listed = yield* store.list
  const observed = Map.groupBy(yield* store.attachments, ({ volumeId }) => volumeId)
  const unlisted = yield* peekAll(new Set(observed.keys()).difference(new Set(listed.map(({ volumeId }) => volumeId))))
  const seenBy = yield* Clock.monotonicTimeNanos
  const compared = yield* forEachInterleaved(
    [...listed, ...unlisted],
    ({ record, volumeId }) =>
      Effect.sync(() => ({ record, volumeId, findings: inspect(record, observed.get(volumeId) ?? [], options) }))
  )
  const done = yield* Effect.forEach(
    compared.filter(isAmiss),
    (volume) => reconcileVolume(volume, { look, seenBy }, options),
    { concurrency }
  )
  yield* Metric.update(duration, Metrics.secondsBetween(begun, yield* Clock.monotonicTimeNanos))
  return {
    volumeIds: compared.map(({ volumeId }) => volumeId),
    complete: done.every((complete) => complete),
    noted: look.noted,
    graceEndsAt: nextEnd(look.noted, begun, gracePeriod)
  }
})

const duration = Metric.withAttributes(Metrics.attachmentOperationDurationSeconds, { operation: "reconcile" })

/** The records of volumes that were not listed; volumes that can have none are left out. */
const peekAll = Effect.fnUntraced(function*(volumeIds: ReadonlySet<VolumeId>) {
  const store = yield* AttachmentStore
  const found = yield* Effect.forEach(
    volumeIds,
    (volumeId) =>
      Effect.map(store.peek(volumeId), (record) => Option.toArray(record).map((record) => ({ volumeId, record })))
  )
  return found.flat()
})

/** A volume's record, and how it compares with the volume's attachments. */
interface Compared extends ListedRecord {
  readonly findings: Findings
}

/** Hardly any volume is. */
const isAmiss = ({ findings, record }: Compared) =>
  record._tag === "Unreadable" || findings.ungranted.length > 0 || findings.unattached.length > 0

/** Whether everything was done that was to be done now. */
const reconcileVolume = Effect.fnUntraced(function*(volume: Compared, sight: Sight, options: PassOptions) {
  const { findings, record, volumeId } = volume
  return yield* Effect.gen(function*() {
    const drops = yield* dropsOf(volume, findings.unattached, sight)
    const commands: ReadonlyArray<Command> = [...findings.ungranted, ...drops]
    const isWanted = record._tag === "Unreadable"
      ? yield* isTimeToRebuild(volumeId, record, sight, options)
      : commands.length > 0
    if (!isWanted) return true
    yield* amend(volumeId, record.version, findings.state, commands)
    if (record._tag === "Unreadable") yield* countReconcile("rebuild_record")
    return true
  }).pipe(
    Effect.tapErrorTag(
      "StoreUnavailable",
      ({ message }) => Effect.logWarning(`volume ${volumeId}: its attachments could not be reconciled: ${message}`)
    ),
    Effect.orElseSucceed(() => false)
  )
})

/** Commands to drop the holders that are past the grace period. */
const dropsOf = Effect.fnUntraced(function*(
  { record, volumeId }: ListedRecord,
  unattached: ReadonlyArray<string>,
  { look, seenBy }: Sight
) {
  const store = yield* AttachmentStore
  const drops = yield* Effect.forEach(
    unattached,
    Effect.fnUntraced(function*(nodeId) {
      const name = `${volumeId} on ${nodeId}`
      if (!look.isKnown(name)) yield* Metric.update(Metrics.attachmentGracePeriodUsedTotal, 1)
      const isDetached = look.isOver(name, seenBy, record.version)
      const nodeExists = yield* store.nodeExists(nodeId)
      const isSettled = nodeExists || look.isOver(`node ${nodeId}`, yield* Clock.monotonicTimeNanos)
      return isDetached && isSettled ? [{ _tag: "Drop", nodeId } as const] : []
    })
  )
  return drops.flat()
})

/** An unreadable record is made known at first sight, and rebuilt if it is the same after the grace period. */
const isTimeToRebuild = Effect.fnUntraced(function*(
  volumeId: VolumeId,
  { reason, version }: Extract<AttachmentRecord, { readonly _tag: "Unreadable" }>,
  { look, seenBy }: Sight,
  { starting }: PassOptions
) {
  const name = `record of ${volumeId}`
  if (!starting && !look.isKnown(name)) yield* announce([{ _tag: "RecordUnreadable", volumeId, reason }])
  return look.isOver(name, seenBy, version)
})
