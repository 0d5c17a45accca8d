import { Effect, Option, Queue, Stream } from "effect"
import type { AttachmentEvents } from "../../../src/attachment/AttachmentEvents.ts"
import type { AttachmentState } from "../../../src/attachment/AttachmentState.ts"
import type {
  AttachmentRecord,
  AttachmentStore,
  Change,
  ObservedAttachment,
  StoreVersion
} from "../../../src/attachment/AttachmentStore.ts"
import {
  EventsUnavailable,
  HostAccessFailed,
  StoreConflict,
  StoreOutcomeUnknown,
  StoreUnavailable
} from "../../../src/attachment/Errors.ts"
import type { Fact } from "../../../src/attachment/Facts.ts"
import type { HostAccess } from "../../../src/attachment/HostAccess.ts"
import type { VolumeId } from "../../../src/volume/VolumeId.ts"
import type { Delta, SimulatedCluster } from "./SimulatedCluster.ts"

/**
 * What may happen to a request: it is refused; the connection breaks before it arrives, or after it was carried out; or it is
 * carried out some time after its sender gave up.
 */
export const faults = ["refused", "lost", "answer lost", "late"] as const
export type Fault = typeof faults[number]

/** Values for whoever listens from now on. */
export class Broadcast<A> {
  private readonly listeners = new Set<Queue.Queue<A>>()
  private readonly greet: () => ReadonlyArray<A>

  /** `greet` says what a new listener hears first. */
  constructor(greet: () => ReadonlyArray<A>) {
    this.greet = greet
  }

  send(value: A): void {
    for (const listener of this.listeners) Queue.offerUnsafe(listener, value)
  }

  readonly stream: Stream.Stream<A> = Stream.unwrap(Effect.gen({ self: this }, function*() {
    const queue = yield* Queue.unbounded<A>()
    this.listeners.add(queue)
    yield* Effect.addFinalizer(() => Effect.sync(() => this.listeners.delete(queue)))
    yield* Queue.offerAll(queue, this.greet())
    return Stream.fromQueue(queue)
  }))
}

interface Cache {
  readonly records: Map<VolumeId, AttachmentRecord>
  readonly attachments: Map<string, ObservedAttachment>
}

/** One process' way to the cluster: its requests, what happens to them, and what its watches have told it so far. */
export class ClusterClient {
  /** What happens to the next requests, in order. */
  faults: Array<Fault | undefined> = []
  /** Requests sent so far. */
  requests = 0
  isPartitioned = false
  /** Whether the watches keep to themselves what happens. */
  isDeaf = false
  /** What the watches have in store, oldest first. */
  inbox: Array<Delta> = [{ _tag: "Relisted" }]
  /** What was published as events. */
  readonly published: Array<Fact> = []
  /** What happens to a request on its way there, and back. */
  travel: Effect.Effect<void> = Effect.yieldNow
  private readonly cluster: SimulatedCluster
  /** Requests that are carried out after their sender gave up. */
  private readonly late: Array<() => void>
  private readonly changes = new Broadcast<Change>(() => [])
  private cache: Cache | undefined

  constructor(cluster: SimulatedCluster, late: Array<() => void>) {
    this.cluster = cluster
    this.late = late
  }

  /** Whether there is something to hear. */
  get hasNews(): boolean {
    return this.inbox.length > 0 && !this.isDeaf && !this.isPartitioned
  }

  /** Lets the oldest thing that the watches have in store be heard of. */
  hear(): void {
    const delta = this.inbox.shift()
    if (delta === undefined) return
    if (delta._tag === "Relisted") {
      this.cache = { records: new Map(this.cluster.records), attachments: new Map(this.cluster.attachments) }
      this.changes.send(delta)
    } else if (delta._tag === "NodeGone") {
      this.changes.send({ _tag: "Node", nodeId: delta.nodeId })
    } else if (delta._tag === "Record") {
      this.cache?.records.set(delta.volumeId, delta.record)
      this.changes.send({ _tag: "Record", volumeId: delta.volumeId })
    } else if (delta.attachment === undefined) {
      this.cache?.attachments.delete(delta.key)
    } else {
      this.cache?.attachments.set(delta.key, delta.attachment)
    }
  }

  /** Breaks the watches: all that happens until it hears that they have listed anew is missed. */
  loseWatches(): void {
    this.inbox = [{ _tag: "Relisted" }]
  }

  get store(): AttachmentStore["Service"] {
    const { cluster } = this
    return {
      peek: (volumeId) => this.cached(({ records }) => Option.fromUndefinedOr(records.get(volumeId))),
      list: this.cached(({ attachments, records }) => {
        const attached = new Set([...attachments.values()].map(({ volumeId }) => volumeId))
        return [...records].flatMap(([volumeId, record]) =>
          record._tag === "Unrecorded" && !attached.has(volumeId) ? [] : [{ volumeId, record }]
        )
      }),
      attachmentsOf: (volumeId) =>
        this.cached(({ attachments }) => [...attachments.values()].filter((one) => one.volumeId === volumeId)),
      read: (volumeId) => this.query(() => Option.fromUndefinedOr(cluster.records.get(volumeId))),
      attachments: this.query(() => [...cluster.attachments.values()]),
      nodeExists: (nodeId) => this.query(() => !cluster.missing.has(nodeId)),
      write: (volumeId, expected, state) => this.write(volumeId, expected, state),
      changes: this.changes.stream
    }
  }

  get events(): AttachmentEvents["Service"] {
    return {
      publish: (fact) => Effect.sync(() => this.published.push(fact)),
      tell: ({ end, volumeId }) =>
        Effect.mapError(
          this.request(() => this.cluster.tell(volumeId, end)),
          ({ message }) => new EventsUnavailable({ message })
        )
    }
  }

  get access(): HostAccess["Service"] {
    const { cluster } = this
    const ask = <A>(carryOut: () => A) =>
      Effect.mapError(this.request(carryOut), ({ message }) => new HostAccessFailed({ message }))
    return {
      enforced: cluster.enforced,
      limit: (volumeId, nodes, whenOpen) => ask(() => cluster.limit(volumeId, nodes, whenOpen)),
      limits: ask(() =>
        new Map([...cluster.records.keys()].map((id) => [id, Option.fromUndefinedOr(cluster.limits.get(id))]))
      )
    }
  }

  private cached<A>(look: (cache: Cache) => A): Effect.Effect<A, StoreUnavailable> {
    return Effect.suspend(() =>
      this.cache === undefined ? new StoreUnavailable({ message: "not listed yet" }) : Effect.succeed(look(this.cache))
    )
  }

  private query<A>(look: () => A): Effect.Effect<A, StoreUnavailable> {
    return Effect.mapError(this.request(look), ({ message }) => new StoreUnavailable({ message }))
  }

  private write(
    volumeId: VolumeId,
    expected: StoreVersion,
    state: AttachmentState
  ): Effect.Effect<StoreVersion, StoreConflict | StoreOutcomeUnknown | StoreUnavailable> {
    return Effect.flatMap(
      this.request(() => this.cluster.write(volumeId, expected, state)),
      (version) => version === undefined ? Effect.fail(new StoreConflict()) : Effect.succeed(version)
    )
  }

  /** A request to the cluster, and back; the next fault happens to it. */
  private request<A>(carryOut: () => A): Effect.Effect<A, StoreUnavailable | StoreOutcomeUnknown> {
    return Effect.gen({ self: this }, function*() {
      yield* this.travel
      this.requests += 1
      const fault = this.isPartitioned ? "refused" : this.faults.shift()
      if (fault === "refused") return yield* new StoreUnavailable({ message: "refused" })
      if (fault === "late") this.late.push(carryOut)
      if (fault === "late" || fault === "lost") return yield* new StoreOutcomeUnknown({ message: fault })
      const answer = carryOut()
      yield* this.travel
      return fault === undefined ? answer : yield* new StoreOutcomeUnknown({ message: fault })
    })
  }
}
