import type { MigrationEnd } from "../../../src/attachment/AttachmentState.ts"
import type { AttachmentState } from "../../../src/attachment/AttachmentState.ts"
import {
  type AttachmentRecord,
  type ObservedAttachment,
  StoreVersion
} from "../../../src/attachment/AttachmentStore.ts"
import type { WhenOpen } from "../../../src/attachment/HostAccess.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import type { VolumeId } from "../../../src/volume/VolumeId.ts"
import type { Timeline } from "./Timeline.ts"

/** A change as a watch of the cluster delivers it. */
export type Delta =
  | { readonly _tag: "Record"; readonly volumeId: VolumeId; readonly record: AttachmentRecord }
  | { readonly _tag: "Attachment"; readonly key: string; readonly attachment: ObservedAttachment | undefined }
  | { readonly _tag: "NodeGone"; readonly nodeId: string }
  | { readonly _tag: "Relisted" }

export const attachmentKey = (volumeId: VolumeId, nodeId: string) => `${volumeId} ${nodeId}`

/** The API server, and the appliance: what is true. Everything here happens at once and in order. */
export class SimulatedCluster {
  readonly records = new Map<VolumeId, AttachmentRecord>()
  readonly attachments = new Map<string, ObservedAttachment>()
  /** Since when a node is missing, for those that are. */
  readonly missing = new Map<string, number>()
  /** What was told last of each migration. */
  readonly told = new Map<string, MigrationEnd["result"]>()
  /** The hosts that the appliance lets in, for volumes that are limited. */
  readonly limits = new Map<VolumeId, ReadonlyArray<string>>()
  /** Called at every change. */
  readonly watchers = new Set<(delta: Delta) => void>()
  /** Called at every write that is accepted. */
  onWrite: (volumeId: VolumeId, before: AttachmentRecord, after: AttachmentState) => void = () => undefined
  /** Called when an end of a migration is told for the first time. */
  onTold: (volumeId: VolumeId, end: MigrationEnd) => void = () => undefined
  /** Whether the appliance is to enforce who may connect. */
  readonly enforced: boolean
  private readonly timeline: Timeline
  private versions = 0

  constructor(timeline: Timeline, volumes: ReadonlyArray<VolumeId>, { enforced = false } = {}) {
    this.timeline = timeline
    this.enforced = enforced
    for (const volumeId of volumes) this.addVolume(volumeId)
  }

  addVolume(volumeId: VolumeId): void {
    this.setRecord(volumeId, { _tag: "Unrecorded", version: this.nextVersion() })
  }

  /** Whether the write was accepted. */
  write(volumeId: VolumeId, expected: StoreVersion, state: AttachmentState): StoreVersion | undefined {
    const before = this.records.get(volumeId)
    if (before?.version !== expected) return undefined
    const version = this.nextVersion()
    this.setRecord(volumeId, { _tag: "Recorded", version, state })
    this.onWrite(volumeId, before, state)
    return version
  }

  /** What the appliance does. */
  limit(volumeId: VolumeId, nodes: ReadonlyArray<string>, whenOpen: WhenOpen): void {
    if (whenOpen === "limit" || this.limits.has(volumeId)) this.limits.set(volumeId, nodes.map(Nqn.host))
  }

  /** Somebody edits the record by hand. */
  spoil(volumeId: VolumeId, _tag: "Unrecorded" | "Unreadable"): void {
    const version = this.nextVersion()
    this.setRecord(volumeId, _tag === "Unreadable" ? { _tag, version, reason: "nonsense" } : { _tag, version })
  }

  setAttachment(attachment: ObservedAttachment): void {
    const key = attachmentKey(attachment.volumeId, attachment.nodeId)
    this.attachments.set(key, attachment)
    this.notify({ _tag: "Attachment", key, attachment })
  }

  removeAttachment(key: string): void {
    this.attachments.delete(key)
    this.notify({ _tag: "Attachment", key, attachment: undefined })
  }

  removeNode(nodeId: string): void {
    if (this.missing.has(nodeId)) return
    this.missing.set(nodeId, this.timeline.now)
    this.notify({ _tag: "NodeGone", nodeId })
  }

  /** The same end told again is told once. */
  tell(volumeId: VolumeId, end: MigrationEnd): void {
    const key = `${volumeId} ${end.number} ${end.startedAt}`
    if (this.told.get(key) === end.result) return
    this.told.set(key, end.result)
    this.onTold(volumeId, end)
  }

  private notify(delta: Delta): void {
    for (const watcher of this.watchers) watcher(delta)
  }

  private setRecord(volumeId: VolumeId, record: AttachmentRecord): void {
    this.records.set(volumeId, record)
    this.notify({ _tag: "Record", volumeId, record })
  }

  private nextVersion() {
    this.versions += 1
    return StoreVersion.make(String(this.versions))
  }
}
