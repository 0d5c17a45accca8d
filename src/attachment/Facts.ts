import type { VolumeId } from "../volume/VolumeId.ts"
import type { MigrationEnd } from "./AttachmentState.ts"

/**
 * Why a node was refused: `held` by a node that must be alone; `full`, two nodes migrate already; `timed_out`, two nodes hold
 * the volume after a migration that did not end in time; `too_many` nodes were found to hold it.
 */
export type ConflictReason = "held" | "full" | "timed_out" | "too_many"

/** Something that happened to a volume's attachments and that people should hear of, as an event and in the log. */
export type Fact =
  | { readonly _tag: "Attached"; readonly volumeId: VolumeId; readonly nodeId: string }
  | { readonly _tag: "Detached"; readonly volumeId: VolumeId; readonly nodeId: string }
  | {
    readonly _tag: "MigrationStarted"
    readonly volumeId: VolumeId
    readonly source: string
    readonly target: string
    readonly timeoutSeconds: number
  }
  | {
    readonly _tag: "Conflict"
    readonly volumeId: VolumeId
    readonly nodeId: string
    readonly holders: ReadonlyArray<string>
    readonly reason: ConflictReason
  }
  | { readonly _tag: "Adopted"; readonly volumeId: VolumeId; readonly nodeId: string }
  | { readonly _tag: "StaleCleared"; readonly volumeId: VolumeId; readonly nodeId: string }
  | { readonly _tag: "TooManyHolders"; readonly volumeId: VolumeId; readonly holders: ReadonlyArray<string> }
  | { readonly _tag: "RecordUnreadable"; readonly volumeId: VolumeId; readonly reason: string }

/**
 * The end of a migration of a volume, which must be told for certain. `end.number` and `end.startedAt` name the migration,
 * `end.result` how it ended.
 */
export interface MigrationEnded {
  readonly _tag: "MigrationEnded"
  readonly volumeId: VolumeId
  readonly end: MigrationEnd
}

/** Whatever is announced. */
export type Announcement = Fact | MigrationEnded

/** Whether someone should look at it. */
export const isWarning = (fact: Announcement): boolean => {
  switch (fact._tag) {
    case "Conflict":
    case "TooManyHolders":
    case "RecordUnreadable":
      return true
    case "MigrationEnded":
      return fact.end.result !== "completed"
    default:
      return false
  }
}

/** The fact in words for people, without the volume. */
export const describe = (fact: Announcement): string => {
  switch (fact._tag) {
    case "Attached":
      return `attached to node ${fact.nodeId}`
    case "Detached":
      return `detached from node ${fact.nodeId}`
    case "MigrationStarted":
      return `migration from node ${fact.source} to node ${fact.target} started; it may take ${fact.timeoutSeconds} s`
    case "MigrationEnded":
      return describeEnd(fact.end)
    case "Conflict":
      return `node ${fact.nodeId} was refused: ${names(fact.holders)} ${
        fact.holders.length === 1 ? "holds" : "hold"
      } the volume`
    case "Adopted":
      return `node ${fact.nodeId} was found attached without a grant and counts as a holder from now on`
    case "StaleCleared":
      return `the grant of node ${fact.nodeId} was cleared: it has not been attached for longer than the grace period`
    case "TooManyHolders":
      return `${
        names(fact.holders)
      } hold the volume, more than may share it: no other node gets it until that is resolved`
    case "RecordUnreadable":
      return `the record of attachments is unreadable (${fact.reason}): no node gets the volume until it is rebuilt`
  }
}

/** Node names for a sentence: `node a`, `nodes a and b`, `nodes a, b and c`. */
export const names = (nodes: ReadonlyArray<string>): string =>
  `${nodes.length > 1 ? "nodes" : "node"} ${conjunction.format(nodes)}`

const conjunction = new Intl.ListFormat("en-GB")

/** Whole seconds that a migration took; clocks of two replicas may disagree, so never less than none. */
export const secondsOf = ({ endedAt, startedAt }: MigrationEnd): number => Math.max(0, (endedAt - startedAt) / 1000)

const describeEnd = (end: MigrationEnd): string => {
  const migration = `migration from node ${end.source} to node ${end.target}`
  const seconds = `${Math.round(secondsOf(end))} s`
  switch (end.result) {
    case "completed":
      return `${migration} completed after ${seconds}`
    case "cancelled":
      return `${migration} failed after ${seconds}: the target was detached, the source keeps the volume`
    case "timeout":
      return `${migration} failed: after ${seconds} both nodes still hold the volume; neither is cut off, and no other node ` +
        "gets it until one of them is detached"
  }
}
