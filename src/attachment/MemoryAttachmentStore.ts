import { Effect, HashMap, Layer, Option, PubSub, Ref, Stream } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { type AttachmentState, emptyState } from "./AttachmentState.ts"
import {
  type AttachmentRecord,
  AttachmentStore,
  type Change,
  type ListedRecord,
  type ObservedAttachment,
  StoreVersion
} from "./AttachmentStore.ts"
import { StoreConflict } from "./Errors.ts"

/**
 * Keeps the record of attachments in this process, for a driver without a cluster. There is no orchestrator to compare it
 * with: every holder counts as attached, and every node as known.
 *
 * **Gotchas** The record is lost when the process ends, and with it the fence: whoever starts the driver with this layer is
 * warned in the log.
 */
export const memoryAttachmentStore = Layer.effect(
  AttachmentStore,
  Effect.gen(function*() {
    yield* Effect.logWarning(
      "attachments are kept in memory: they are forgotten when this process ends, and then nothing here keeps a second node away"
    )
    const states = yield* Ref.make(HashMap.empty<VolumeId, AttachmentState>())
    const changes = yield* PubSub.unbounded<Change>()

    const read = (volumeId: VolumeId) =>
      Effect.map(Ref.get(states), (all) => Option.some(recordOf(HashMap.get(all, volumeId))))

    const write = Effect.fnUntraced(function*(volumeId: VolumeId, expected: StoreVersion, state: AttachmentState) {
      const isWritten = yield* Ref.modify(states, (all) =>
        recordOf(HashMap.get(all, volumeId)).version === expected
          ? [true, HashMap.set(all, volumeId, state)]
          : [false, all])
      if (!isWritten) return yield* new StoreConflict()
      yield* PubSub.publish(changes, { _tag: "Record", volumeId })
      return versionOf(state)
    })

    const list = Effect.map(
      Ref.get(states),
      (all): ReadonlyArray<ListedRecord> =>
        HashMap.toEntries(all).map(([volumeId, state]) => ({ volumeId, record: recordOf(Option.some(state)) }))
    )

    const attachments = Effect.map(
      Ref.get(states),
      (all) => HashMap.toEntries(all).flatMap(([volumeId, state]) => heldIn(volumeId, state))
    )

    return AttachmentStore.of({
      peek: read,
      read,
      write,
      list,
      attachments,
      attachmentsOf: (volumeId) => Effect.map(attachments, (all) => all.filter((one) => one.volumeId === volumeId)),
      nodeExists: () => Effect.succeed(true),
      changes: Stream.fromPubSub(changes)
    })
  })
)

const versionOf = ({ revision }: AttachmentState) => StoreVersion.make(String(revision))

const recordOf = (state: Option.Option<AttachmentState>): AttachmentRecord =>
  Option.match(state, {
    onNone: () => ({ _tag: "Unrecorded", version: versionOf(emptyState) }),
    onSome: (state) => ({ _tag: "Recorded", version: versionOf(state), state })
  })

const heldIn = (
  volumeId: VolumeId,
  { holders, migrationTimeoutSeconds }: AttachmentState
): ReadonlyArray<ObservedAttachment> =>
  holders.map(({ accessMode, nodeId, readonly, since }) => ({
    volumeId,
    nodeId,
    attached: true,
    deleting: false,
    createdAt: since,
    accessMode,
    readonly,
    migrationTimeoutSeconds
  }))
