import { Duration } from "effect"
import {
  type AttachmentState,
  hasTooMany,
  type MigrationEnd,
  nodesOf
} from "../../../src/attachment/AttachmentState.ts"
import type { AttachmentRecord } from "../../../src/attachment/AttachmentStore.ts"
import type { VolumeId } from "../../../src/volume/VolumeId.ts"
import { gracePeriod } from "./Replica.ts"
import { attachmentKey, type SimulatedCluster } from "./SimulatedCluster.ts"
import type { Timeline } from "./Timeline.ts"

/** A node that was told that it may use a volume, and has not been told otherwise. */
interface Grant {
  readonly volumeId: VolumeId
  readonly nodeId: string
  readonly isShared: boolean
  /** When the orchestrator forgot the attachment without releasing it. */
  orphanedAt: number | undefined
}

/** Clocks of replicas differ by at most twice this. */
export const maxSkew = 2_000

/**
 * What the outside world was told, and what must hold of it, whatever the driver remembers. It shares no code with the
 * transition function.
 */
export class Ledger {
  readonly violations: Array<string> = []
  /** Volumes whose record was edited by hand: what it held of migrations is gone. */
  readonly spoilt = new Set<VolumeId>()
  private readonly grants = new Map<string, Grant>()
  /** How migrations ended, by what they are told under. */
  private readonly ends = new Map<string, { readonly volumeId: VolumeId; readonly result: MigrationEnd["result"] }>()
  /** When the running migration of a volume began, by the true clock. */
  private readonly begun = new Map<VolumeId, number>()
  private readonly cluster: SimulatedCluster
  private readonly timeline: Timeline

  constructor(cluster: SimulatedCluster, timeline: Timeline) {
    this.cluster = cluster
    this.timeline = timeline
    cluster.onWrite = (volumeId, before, after) => this.written(volumeId, before, after)
    cluster.onTold = (volumeId, end) => this.toldOf(volumeId, end)
  }

  /** The CO was answered OK. */
  granted(volumeId: VolumeId, nodeId: string, isShared: boolean): void {
    const others = this.heldBy(volumeId).filter((grant) => grant.nodeId !== nodeId)
    const mayShare = isShared && others.every((grant) => grant.isShared)
    if (others.length > (mayShare ? 1 : 0)) {
      this.fail(volumeId, `granted to ${nodeId} while ${others.map((grant) => grant.nodeId).join(" and ")} held it`)
    }
    this.grants.set(attachmentKey(volumeId, nodeId), { volumeId, nodeId, isShared, orphanedAt: undefined })
    const record = this.cluster.records.get(volumeId)
    if (record !== undefined) this.checkRecorded(volumeId, record)
  }

  /** The CO says that the node, or every node, is done with the volume. */
  revoked(volumeId: VolumeId, nodeId: string | undefined): void {
    for (const [key, grant] of this.grants) {
      if (grant.volumeId === volumeId && (nodeId ?? grant.nodeId) === grant.nodeId) this.grants.delete(key)
    }
  }

  /** The attachment was removed without a word to the driver. */
  orphaned(key: string): void {
    const grant = this.grants.get(key)
    if (grant !== undefined) grant.orphanedAt = this.timeline.now
  }

  /** Whether somebody was told to use the volume whose attachment is gone. */
  hasOrphan(volumeId: VolumeId): boolean {
    return [...this.grants.values()].some((grant) => grant.volumeId === volumeId && grant.orphanedAt !== undefined)
  }

  /** Migrations that ended and must have been told by now. */
  get untold(): ReadonlyArray<string> {
    return [...this.ends].filter(([key, { volumeId }]) => !this.cluster.told.has(key) && !this.spoilt.has(volumeId))
      .map(([key]) => key)
  }

  fail(volumeId: VolumeId, problem: string): void {
    this.violations.push(`${volumeId}: ${problem}`)
  }

  /** Ends the grants whose grace period is over. */
  expire(): void {
    const grace = Duration.toMillis(gracePeriod)
    for (const [key, { nodeId, orphanedAt }] of this.grants) {
      if (orphanedAt === undefined) continue
      const missingSince = this.cluster.missing.get(nodeId) ?? -Infinity
      if (this.timeline.now - Math.max(orphanedAt, missingSince) >= grace) this.grants.delete(key)
    }
  }

  private heldBy(volumeId: VolumeId): ReadonlyArray<Grant> {
    this.expire()
    return [...this.grants.values()].filter((grant) => grant.volumeId === volumeId)
  }

  private written(volumeId: VolumeId, before: AttachmentRecord, after: AttachmentState): void {
    this.checkShape(volumeId, after)
    this.checkRecorded(volumeId, { _tag: "Recorded", version: before.version, state: after })
    if (before._tag === "Recorded") this.checkChange(volumeId, before.state, after)
    const { migration } = after
    const isNew = before._tag !== "Recorded" || before.state.migration?.number !== migration?.number
    if (migration === null || !isNew) return
    this.begun.set(volumeId, Math.min(migration.startedAt, this.timeline.now))
  }

  /** No grant that was told is missing. */
  private checkRecorded(volumeId: VolumeId, record: AttachmentRecord): void {
    if (record._tag !== "Recorded") return
    const recorded = nodesOf(record.state.holders)
    const lost = this.heldBy(volumeId).filter(({ nodeId }) => !recorded.includes(nodeId))
    if (lost.length > 0) {
      this.fail(
        volumeId,
        `${lost.map((grant) => grant.nodeId).join(" and ")} held it but the record says [${recorded.join(", ")}]`
      )
    }
  }

  private checkShape(volumeId: VolumeId, { holders, migration }: AttachmentState): void {
    const nodes = nodesOf(holders)
    if (new Set(nodes).size !== nodes.length) this.fail(volumeId, `a node holds it twice: ${nodes.join(", ")}`)
    const areTwo = holders.length === 2 && !hasTooMany(holders)
    if (areTwo && migration === null) this.fail(volumeId, `two nodes share it and no migration is tracked`)
    if (migration !== null && !(nodes.includes(migration.source) && nodes.includes(migration.target))) {
      this.fail(volumeId, `the migration is between nodes that do not hold it`)
    }
  }

  private checkChange(volumeId: VolumeId, before: AttachmentState, after: AttachmentState): void {
    if (after.revision <= before.revision) this.fail(volumeId, `revision ${before.revision} was written again`)
    const added = after.holders.filter(({ nodeId }) => !nodesOf(before.holders).includes(nodeId))
    if (!hasTooMany(before.holders) && hasTooMany(after.holders) && added.some(({ adopted }) => !adopted)) {
      this.fail(volumeId, `too many nodes were granted it: ${nodesOf(after.holders).join(", ")}`)
    }
    this.checkEnd(volumeId, before, after)
  }

  /** A migration ends once; by its deadline not before it is due. */
  private checkEnd(volumeId: VolumeId, { migration }: AttachmentState, after: AttachmentState): void {
    if (migration === null || migration.timedOut) return
    const nodes = nodesOf(after.holders)
    const goesOn = nodes.includes(migration.source) && nodes.includes(migration.target)
    if (goesOn && after.migration?.timedOut !== true) return
    const key = `${volumeId} ${migration.number} ${migration.startedAt}`
    if (this.ends.has(key) && !this.spoilt.has(volumeId)) this.fail(volumeId, `migration ${key} ended twice`)
    const result = goesOn ? "timeout" : nodes.includes(migration.target) ? "completed" : "cancelled"
    this.ends.set(key, { volumeId, result })
    const due = (this.begun.get(volumeId) ?? 0) + migration.deadline - migration.startedAt - 2 * maxSkew
    if (goesOn && this.timeline.now < due) this.fail(volumeId, `timed out ${due - this.timeline.now} ms early`)
  }

  private toldOf(volumeId: VolumeId, { number, result, startedAt }: MigrationEnd): void {
    const happened = this.ends.get(`${volumeId} ${number} ${startedAt}`)?.result
    if (happened !== result) {
      this.fail(volumeId, `migration ${number} was told as ${result}, but it ${happened ?? "runs"}`)
    }
  }
}
