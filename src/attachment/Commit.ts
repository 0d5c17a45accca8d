import { Clock, Effect, Equal, Metric, Option } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { type VolumeBusy, VolumeLock } from "../volume/VolumeLock.ts"
import { letIn, readmit, shutOut } from "./Admission.ts"
import { announce } from "./Announce.ts"
import { type Command, type Refusal, type Transition, transition, transitions } from "./Attachment.ts"
import type { AttachmentEvents } from "./AttachmentEvents.ts"
import { type AttachmentState, nodesOf } from "./AttachmentState.ts"
import { type AttachmentRecord, AttachmentStore, type StoreVersion } from "./AttachmentStore.ts"
import {
  AttachmentUnknown,
  AttachmentUnrecordable,
  type HostAccessFailed,
  StoreConflict,
  type StoreUnavailable
} from "./Errors.ts"
import type { Announcement } from "./Facts.ts"
import type { HostAccess } from "./HostAccess.ts"
import { stateOf } from "./Recovery.ts"

/** How long a call waits for another one on the same volume, such as the detach that makes the volume free. */
const lockWait = "8 seconds"

/** Writers that get in between before a call gives up. */
const maxRetries = 4

/** Why a command was not carried out. */
export type CommitError =
  | Refusal
  | AttachmentUnknown
  | AttachmentUnrecordable
  | HostAccessFailed
  | StoreUnavailable
  | VolumeBusy

/** What carrying out commands takes. */
export type CommitServices = AttachmentStore | AttachmentEvents | HostAccess | VolumeLock

type Decision = Transition | {
  readonly _tag: "Refuse"
  readonly error: AttachmentUnknown | AttachmentUnrecordable
  readonly facts: ReadonlyArray<Announcement>
}

/**
 * Carries out a command on a volume's record, one command at a time for each volume, and answers the state it wrote. None:
 * things are as the command wants them already. When it succeeds the outcome is on record; when it fails it may be, if
 * the answer of the store was lost, and the same command can be given again.
 */
export const commit = (
  volumeId: VolumeId,
  command: Command
): Effect.Effect<Option.Option<AttachmentState>, CommitError, CommitServices> =>
  Effect.flatMap(
    VolumeLock,
    (lock) => lock.withLockWithin(volumeId, lockWait)(decideAndRecord(volumeId, command))
  )

/**
 * Carries out commands that rest on exactly this version of the record, and answers the state that results. Fails when
 * anybody has written since, or is writing now.
 */
export const amend = Effect.fnUntraced(
  function*(volumeId: VolumeId, version: StoreVersion, before: AttachmentState, commands: ReadonlyArray<Command>) {
    const now = yield* Clock.currentTimeMillis
    const { facts, state } = transitions(volumeId, before, commands, now)
    yield* record(volumeId, version, before, state, facts)
    if (commands.some(({ _tag }) => _tag === "Adopt")) yield* letIn(volumeId, nodesOf(state.holders), "leave")
    return state
  },
  (amended, volumeId) => Effect.flatMap(VolumeLock, (lock) => lock.tryLock(volumeId)(amended))
)

const decideAndRecord = Effect.fnUntraced(function*(volumeId: VolumeId, command: Command) {
  const store = yield* AttachmentStore
  const decision = yield* attempt(volumeId, command, store.peek(volumeId)).pipe(
    // What was heard of last may be out of date: good for a write, which then fails, and for nothing else.
    Effect.filterOrFail(({ _tag }) => _tag === "Write", () => new StoreConflict()),
    Effect.catchTag("StoreConflict", () =>
      Effect.retry(attempt(volumeId, command, store.read(volumeId)), {
        while: ({ _tag }) => _tag === "StoreConflict",
        times: maxRetries
      })),
    Effect.catchTag("StoreConflict", () => Effect.fail(contended(volumeId)))
  )
  if (decision._tag !== "Refuse") return decision._tag === "Write" ? Option.some(decision.state) : Option.none()
  yield* announce(decision.facts)
  return yield* decision.error
})

const contended = (volumeId: VolumeId) =>
  new AttachmentUnknown({
    message:
      `the attachments of volume ${volumeId} could not be recorded for certain: another replica of the controller ` +
      "changes them too, or answers are being lost; try again"
  })

/** Decides by what is read, and records the decision. */
const attempt = Effect.fnUntraced(function*(
  volumeId: VolumeId,
  command: Command,
  read: Effect.Effect<Option.Option<AttachmentRecord>, StoreUnavailable>
): Effect.fn.Return<
  Decision,
  StoreConflict | StoreUnavailable | HostAccessFailed | AttachmentUnknown,
  AttachmentStore | AttachmentEvents | HostAccess
> {
  const found = yield* read
  if (Option.isNone(found)) return withoutRecord(volumeId, command)
  if (found.value._tag === "Unreadable" && command._tag !== "Unpublish") return withUnreadable(volumeId, command)
  // A node that asks is not kept away by others that only ask as well.
  const before = yield* stateOf(volumeId, found.value, { pending: command._tag !== "Publish" })
  const next = transition(volumeId, before.state, command, yield* Clock.currentTimeMillis)
  if (next._tag === "Write") {
    yield* record(volumeId, found.value.version, before.state, next.state, [...before.facts, ...next.facts])
    if (command._tag === "Publish") {
      yield* letIn(volumeId, nodesOf(next.state.holders), before.state.holders.length === 0 ? "limit" : "leave")
    }
  }
  return next
})

const withoutRecord = (volumeId: VolumeId, command: Command): Decision =>
  command._tag === "Publish"
    ? {
      _tag: "Refuse",
      facts: [],
      error: new AttachmentUnrecordable({
        message:
          `volume ${volumeId} cannot be attached to node ${command.nodeId}: no PersistentVolume has this volume ` +
          "handle, so there is nowhere to record the attachment; create the PersistentVolume first"
      })
    }
    : { _tag: "Keep" }

const withUnreadable = (volumeId: VolumeId, command: Command): Decision =>
  command._tag === "Publish"
    ? {
      _tag: "Refuse",
      facts: [],
      error: new AttachmentUnknown({
        message:
          `volume ${volumeId} cannot be attached to node ${command.nodeId} now: the record of its attachments is ` +
          "unreadable, as after an edit by hand; it is rebuilt from the attachments of the cluster, then try again"
      })
    }
    : { _tag: "Keep" }

/**
 * Records the state and says what happened; once begun it is seen through, also when the caller goes away. Nodes that lose the
 * volume are shut out first, and let in again if somebody else has written meanwhile.
 */
const record = Effect.fnUntraced(function*(
  volumeId: VolumeId,
  expected: StoreVersion,
  before: AttachmentState,
  state: AttachmentState,
  facts: ReadonlyArray<Announcement>
) {
  const store = yield* AttachmentStore
  yield* shutOut(volumeId, before, state)
  yield* store.write(volumeId, expected, state).pipe(
    Effect.catchTag("StoreOutcomeUnknown", () => hasLanded(volumeId, state)),
    Effect.tapErrorTag("StoreConflict", () => Metric.update(Metrics.attachmentStoreConflictsTotal, 1)),
    Effect.andThen(announce(facts)),
    Effect.uninterruptible,
    Effect.tapErrorTag("StoreConflict", () => readmit(volumeId))
  )
})

/** Whether what a write whose answer was lost would have recorded is on record. An equal state is no older one: revisions grow. */
const hasLanded = Effect.fnUntraced(function*(volumeId: VolumeId, state: AttachmentState) {
  const store = yield* AttachmentStore
  const found = yield* store.read(volumeId)
  if (Option.isSome(found) && found.value._tag === "Recorded" && Equal.equals(found.value.state, state)) return
  return yield* new StoreConflict()
})
