import type { Adopt } from "./Attachment.ts"
import { type AttachmentState, emptyState, nodesOf } from "./AttachmentState.ts"
import type { AttachmentRecord, ObservedAttachment } from "./AttachmentStore.ts"
import { adoptions, possiblyHeld } from "./Recovery.ts"

/** What a volume's record and the orchestrator's attachments say about each other. */
export interface Findings {
  /** What is recorded; empty if nothing readable is. */
  readonly state: AttachmentState
  /** Nodes that are attached without a grant. */
  readonly ungranted: ReadonlyArray<Adopt>
  /** Holders that the orchestrator knows no attachment of, the last one first: a migration whose nodes both go has failed. */
  readonly unattached: ReadonlyArray<string>
}

/**
 * Compares a record with the attachments of the volume. These must have been listed after the record was read: then an
 * amendment that rests on the record's version fails when either has changed meanwhile, as every grant and every release
 * writes the record.
 *
 * An attachment that is being ended and has no grant was released: it is not taken for a holder again. One that is only
 * asked for was never granted, since a grant is recorded first; unless nothing at all is recorded when the driver starts: then
 * a driver that kept no such record may have granted it a moment ago.
 */
export const inspect = (
  record: AttachmentRecord,
  observed: ReadonlyArray<ObservedAttachment>,
  { starting }: { readonly starting: boolean }
): Findings => {
  if (record._tag !== "Recorded") {
    return {
      state: emptyState,
      ungranted: adoptions(possiblyHeld(record, observed, { pending: starting })),
      unattached: []
    }
  }
  const { state } = record
  const granted = new Set(nodesOf(state.holders))
  const known = new Set(observed.map(({ nodeId }) => nodeId))
  return {
    state,
    ungranted: adoptions(
      observed.filter(({ attached, deleting, nodeId }) => attached && !deleting && !granted.has(nodeId))
    ),
    unattached: [...granted.difference(known)].toReversed()
  }
}
