import { type AttachmentState, emptyState } from "../../../src/attachment/AttachmentState.ts"

/** The state of a volume that these nodes hold, after so many writes. */
export const stateOf = (revision: number, ...nodes: ReadonlyArray<string>): AttachmentState => ({
  ...emptyState,
  revision,
  holders: nodes.map((nodeId) => ({
    nodeId,
    accessMode: "MULTI_NODE_MULTI_WRITER",
    readonly: false,
    since: Date.UTC(2025, 0, 2, 3, 4, 5, 678),
    adopted: false
  }))
})
