import { type AccessMode, isSingleNode } from "../volume/AccessMode.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { type AttachmentState, hasTooMany, type Holder, mayShare, nodesOf } from "./AttachmentState.ts"
import { AttachmentConflict, AttachmentIncompatible } from "./Errors.ts"
import { type ConflictReason, type Fact, names } from "./Facts.ts"

/** Why the node cannot have the volume beside those that hold it: the error for the caller, and the fact for everyone else. */
export const conflictOf = (
  volumeId: VolumeId,
  state: AttachmentState,
  { accessMode, nodeId }: { readonly nodeId: string; readonly accessMode: AccessMode }
): { readonly error: AttachmentConflict; readonly facts: ReadonlyArray<Fact> } => {
  const reason = reasonOf(state, accessMode)
  const holders = nodesOf(state.holders)
  const message =
    `volume ${volumeId} is attached to ${names(holders)} and cannot be attached to node ${nodeId} as well: ` +
    advice[reason]
  return {
    error: new AttachmentConflict({ message }),
    facts: [{ _tag: "Conflict", volumeId, nodeId, holders, reason }]
  }
}

/** The node holds the volume already, in another way than it asks for now. */
export const incompatible = (
  volumeId: VolumeId,
  own: Holder,
  asked: { readonly accessMode: AccessMode; readonly readonly: boolean }
): AttachmentIncompatible =>
  new AttachmentIncompatible({
    message: `volume ${volumeId} is already attached to node ${own.nodeId} with access mode ${own.accessMode} and ` +
      `readonly=${own.readonly}; asked for ${asked.accessMode} and readonly=${asked.readonly}`
  })

const reasonOf = ({ holders, migration }: AttachmentState, accessMode: AccessMode): ConflictReason => {
  if (hasTooMany(holders)) return "too_many"
  if (isSingleNode(accessMode) || !mayShare(holders)) return "held"
  return migration?.timedOut === true ? "timed_out" : "full"
}

const advice: { readonly [Reason in ConflictReason]: string } = {
  held: "it becomes free when it is unstaged there and its VolumeAttachment is deleted",
  full: "at most two nodes may hold it, for a live migration; try again when one of them has released it",
  timed_out:
    "the migration between them did not end in time; delete the pod on the node that should not have the volume",
  too_many: "these are more than may share it already; delete the pods on the nodes that should not have the volume"
}
