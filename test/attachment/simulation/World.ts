import { Cause, type Effect, Exit, type Fiber, Option } from "effect"
import type { ObservedAttachment } from "../../../src/attachment/AttachmentStore.ts"
import { Fencing } from "../../../src/attachment/Fencing.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { ClusterClient } from "./ClusterClient.ts"
import { Ledger } from "./Ledger.ts"
import { Replica } from "./Replica.ts"
import { attachmentKey, SimulatedCluster } from "./SimulatedCluster.ts"
import { Dice, Timeline } from "./Timeline.ts"

export const nodes = ["n0", "n1", "n2", "n3", "n4"] as const

/** Two volumes that nodes may share, and two that they may not. */
export const volumes = [
  VolumeId.fromName("shared-a"),
  VolumeId.fromName("shared-b"),
  VolumeId.fromName("single-a"),
  VolumeId.fromName("single-b")
] as const
export const isShared = (volumeId: VolumeId) => volumes.indexOf(volumeId) < 2

const migrationTimeoutSeconds = 40

/** More steps than any amount of work takes: who takes them goes round in circles. */
const endlessly = 200_000

/** A call of the orchestrator that has not been answered yet. */
interface Call {
  readonly replica: Replica
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

/**
 * A cluster with up to two replicas of the controller, and the orchestrator that calls them as the attacher does: one call at a
 * time for each attachment, to be repeated until it succeeds. What it was told is in the ledger.
 */
export class World {
  readonly timeline = new Timeline()
  readonly cluster: SimulatedCluster
  readonly ledger: Ledger
  readonly dice: Dice
  readonly replicas: Array<Replica | undefined> = [undefined, undefined]
  readonly late: Array<() => void> = []
  private readonly calls = new Map<string, Call>()
  /** Called before each step. */
  onStep: () => void = () => undefined

  /** `enforced`: the appliance enforces who may connect, and has made the volumes with nobody let in. */
  constructor(seed: number, { enforced = false } = {}) {
    this.dice = new Dice(seed)
    this.cluster = new SimulatedCluster(this.timeline, volumes, { enforced })
    this.ledger = new Ledger(this.cluster, this.timeline)
    if (enforced) { for (const volumeId of volumes) this.cluster.limit(volumeId, [], "limit") }
    this.cluster.watchers.add((delta) => {
      for (const { client } of this.running) client.inbox.push(delta)
    })
  }

  get running(): ReadonlyArray<Replica> {
    return this.replicas.filter((replica) => replica !== undefined)
  }

  start(index: number): void {
    this.replicas[index] ??= new Replica(new ClusterClient(this.cluster, this.late), this.timeline, this.dice)
  }

  crash(index: number): void {
    const replica = this.replicas[index]
    if (replica === undefined) return
    this.replicas[index] = undefined
    replica.kill()
    for (const [key, call] of this.calls) {
      if (call.replica === replica) this.calls.delete(key)
    }
  }

  /** Who leads: none, one, or for as long as they have not noticed, both. */
  lead(isLeader: (index: number) => boolean): void {
    this.replicas.forEach((replica, index) => replica?.lead(isLeader(index)))
  }

  // What happens next.

  /** Takes one step somewhere; false when there is nothing to do until time passes. */
  step(): boolean {
    const busy = this.running.filter(({ executor }) => !executor.isIdle)
    const listening = this.running.map(({ client }) => client).filter(({ hasNews }) => hasNews)
    const choice = this.dice.roll(3 * busy.length + listening.length)
    this.onStep()
    if (choice < 3 * busy.length) busy[Math.floor(choice / 3)]?.executor.step()
    else listening[choice - 3 * busy.length]?.hear()
    return busy.length + listening.length > 0
  }

  run(steps: number): void {
    for (let left = steps; left > 0 && this.step();) left -= 1
  }

  settle(): void {
    for (let left = endlessly; this.step(); left -= 1) {
      if (left === 0) throw new Error("it goes round in circles")
    }
  }

  /** Lets time pass; at each moment at which somebody wakes, at most `steps` steps are taken. */
  pass(millis: number, steps: number): void {
    const until = this.timeline.now + millis
    while (this.timeline.wakeNext(until)) this.run(steps)
  }

  /** Lets time pass, and everything be done that comes due. */
  rest(millis: number): void {
    const until = this.timeline.now + millis
    do this.settle()
    while (this.timeline.wakeNext(until))
  }

  // What the orchestrator does.

  attach(volumeId: VolumeId, nodeId: string, index: number): void {
    const key = attachmentKey(volumeId, nodeId)
    if (this.cluster.attachments.has(key) || this.cluster.missing.has(nodeId)) return
    this.createAttachment(volumeId, nodeId, false)
    this.work(key, index)
  }

  /** The node has the volume from a driver that kept no record. */
  inherit(volumeId: VolumeId, nodeId: string, attached: boolean): void {
    this.createAttachment(volumeId, nodeId, attached)
    this.cluster.limits.delete(volumeId)
    this.ledger.granted(volumeId, nodeId, isShared(volumeId))
  }

  private createAttachment(volumeId: VolumeId, nodeId: string, attached: boolean): void {
    this.cluster.setAttachment({
      volumeId,
      nodeId,
      attached,
      deleting: false,
      createdAt: this.timeline.now,
      accessMode: isShared(volumeId) ? "MULTI_NODE_MULTI_WRITER" : "SINGLE_NODE_WRITER",
      readonly: false,
      migrationTimeoutSeconds
    })
  }

  detach(key: string, index: number): void {
    this.condemn(key)
    this.work(key, index)
  }

  private condemn(key: string): void {
    const attachment = this.cluster.attachments.get(key)
    if (attachment?.deleting === false) this.cluster.setAttachment({ ...attachment, deleting: true })
  }

  /** Calls for the attachment what is to be called, unless it waits for an answer. */
  work(key: string, index: number): void {
    const attachment = this.cluster.attachments.get(key)
    if (attachment === undefined || this.calls.has(key) || this.calls.has(attachment.volumeId)) return
    if (attachment.deleting) this.unpublish(key, attachment.volumeId, attachment.nodeId, index)
    else this.publish(key, attachment, index)
  }

  /** Releases a volume from all nodes, with one call if none is under way. */
  detachAll(volumeId: VolumeId, index: number): void {
    const all = this.attachmentsOf(volumeId)
    for (const attachment of all) this.condemn(keyOf(attachment))
    if (all.length > 0 && !this.isBusy(volumeId)) this.unpublish(volumeId, volumeId, undefined, index)
  }

  cancel(key: string): void {
    this.calls.get(key)?.fiber.interruptUnsafe()
  }

  /** Somebody strips the finalizer of an attachment: the driver is not told. Then nothing but its record knows of a holder. */
  forget(key: string): void {
    const attachment = this.cluster.attachments.get(key)
    if (attachment === undefined || this.cluster.records.get(attachment.volumeId)?._tag !== "Recorded") return
    this.cluster.removeAttachment(key)
    this.ledger.orphaned(key)
  }

  /** Somebody edits or removes the record by hand, in a quiet moment: nothing but the attachments knows of holders then. */
  spoil(volumeId: VolumeId, _tag: "Unrecorded" | "Unreadable"): void {
    const isQuiet = !this.isBusy(volumeId) && !this.ledger.hasOrphan(volumeId) &&
      this.attachmentsOf(volumeId).every(({ attached }) => attached) &&
      this.running.every(({ client }) => client.inbox.length === 0)
    if (!isQuiet) return
    this.ledger.spoilt.add(volumeId)
    this.cluster.spoil(volumeId, _tag)
  }

  removeNode(nodeId: string): void {
    this.ledger.expire()
    this.cluster.removeNode(nodeId)
  }

  restoreNode(nodeId: string): void {
    if (volumes.every((volumeId) => !this.ledger.hasOrphan(volumeId))) this.cluster.missing.delete(nodeId)
  }

  partition(index: number, isPartitioned: boolean): void {
    const replica = this.replicas[index]
    if (replica !== undefined) replica.client.isPartitioned = isPartitioned
  }

  /** Steps the wall clock of a replica. */
  skew(index: number, millis: number): void {
    const replica = this.replicas[index]
    if (replica !== undefined) replica.clock.skew = millis
  }

  isBusy(volumeId: VolumeId): boolean {
    return [...this.calls.keys()].some((key) => key.startsWith(volumeId))
  }

  attachmentsOf(volumeId: VolumeId): ReadonlyArray<ObservedAttachment> {
    return [...this.cluster.attachments.values()].filter((attachment) => attachment.volumeId === volumeId)
  }

  private publish(key: string, { accessMode, nodeId, readonly, volumeId }: ObservedAttachment, index: number): void {
    const capability = { accessMode, accessType: { _tag: "Block" } } as const
    const request = { volumeId, nodeId, capability, readonly, migrationTimeoutSeconds }
    this.call(key, index, Fencing.use((fencing) => fencing.publish(request)), () => {
      this.ledger.granted(volumeId, nodeId, isShared(volumeId))
      const attachment = this.cluster.attachments.get(key)
      if (attachment === undefined) this.ledger.orphaned(key)
      else this.cluster.setAttachment({ ...attachment, attached: true })
    })
  }

  private unpublish(key: string, volumeId: VolumeId, nodeId: string | undefined, index: number): void {
    const release = Fencing.use((fencing) => fencing.unpublish(volumeId, Option.fromUndefinedOr(nodeId)))
    const isCalled = this.call(key, index, release, () => {
      for (const attachment of this.attachmentsOf(volumeId)) {
        const isReleased = attachment.deleting && (nodeId ?? attachment.nodeId) === attachment.nodeId
        if (isReleased) this.cluster.removeAttachment(keyOf(attachment))
      }
    })
    if (isCalled) this.ledger.revoked(volumeId, nodeId)
  }

  private call<E>(key: string, index: number, effect: Effect.Effect<void, E, Fencing>, onDone: () => void): boolean {
    const replica = this.replicas[index] ?? this.running[0]
    const fiber = replica?.call(effect)
    if (replica === undefined || fiber === undefined) return false
    const call = { replica, fiber }
    this.calls.set(key, call)
    fiber.addObserver((exit) => {
      if (this.calls.get(key) !== call) return
      this.calls.delete(key)
      if (Exit.isSuccess(exit)) onDone()
      else if (Exit.hasDies(exit)) this.ledger.violations.push(`${key}: ${Cause.pretty(exit.cause)}`)
    })
    return true
  }
}

export const keyOf = ({ nodeId, volumeId }: ObservedAttachment) => attachmentKey(volumeId, nodeId)
