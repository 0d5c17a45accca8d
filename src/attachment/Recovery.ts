import { Clock, Effect, Order } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { type Adopt, transitions } from "./Attachment.ts"
import { emptyState } from "./AttachmentState.ts"
import { type AttachmentRecord, AttachmentStore, type ObservedAttachment } from "./AttachmentStore.ts"
import type { Announcement } from "./Facts.ts"

/** The attachments as commands to adopt them, the oldest first; the same on every replica. */
export const adoptions = (observed: ReadonlyArray<ObservedAttachment>): ReadonlyArray<Adopt> =>
  observed.toSorted(byAge).map((attachment) => ({
    _tag: "Adopt",
    nodeId: attachment.nodeId,
    accessMode: attachment.accessMode,
    readonly: attachment.readonly,
    since: attachment.createdAt,
    migrationTimeoutSeconds: attachment.migrationTimeoutSeconds
  }))

const byAge = Order.Struct({ createdAt: Order.Number, nodeId: Order.String })

/**
 * The attachments that may be held although no grant of them can be read. After an unreadable record that is any of them.
 * If nothing was ever recorded, whoever attached them kept no record: that is those that are attached, and if `pending` also
 * those that are only asked for, since their grant may be a moment old.
 */
export const possiblyHeld = (
  record: AttachmentRecord,
  observed: ReadonlyArray<ObservedAttachment>,
  { pending }: { readonly pending: boolean }
): ReadonlyArray<ObservedAttachment> =>
  observed.filter(({ attached }) => attached || pending || record._tag === "Unreadable")

/** The state that a record keeps. If nothing readable is recorded, what the orchestrator has heard of stands in. */
export const stateOf = Effect.fnUntraced(function*(
  volumeId: VolumeId,
  record: AttachmentRecord,
  options: { readonly pending: boolean }
) {
  if (record._tag === "Recorded") return { state: record.state, facts: [] }
  const store = yield* AttachmentStore
  const held = possiblyHeld(record, yield* store.attachmentsOf(volumeId), options)
  const { facts, state } = transitions(volumeId, emptyState, adoptions(held), yield* Clock.currentTimeMillis)
  // A migration begins with its record. One that nobody recorded must not end as the first thing that is heard of it.
  return { state: { ...state, migration: null, migrations: 0 }, facts: facts.filter(isAdoption) }
})

const isAdoption = ({ _tag }: Announcement) => _tag !== "MigrationStarted"
