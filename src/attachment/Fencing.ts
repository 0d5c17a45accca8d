import { Clock, Context, Effect, Layer, Metric, Option } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import type { Capability } from "../volume/AccessMode.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { type AttachmentState, nodesOf } from "./AttachmentState.ts"
import { type AttachmentRecord, AttachmentStore } from "./AttachmentStore.ts"
import { commit, type CommitError, type CommitServices } from "./Commit.ts"
import { AttachmentUnknown, type StoreUnavailable } from "./Errors.ts"
import { Reconciler } from "./Reconciler.ts"
import { stateOf } from "./Recovery.ts"

/** What ControllerPublishVolume asks for: this volume, on this node, in this way. */
export interface AttachmentRequest {
  readonly volumeId: VolumeId
  readonly nodeId: string
  readonly capability: Capability
  readonly readonly: boolean
  readonly migrationTimeoutSeconds: number
}

/**
 * Decides who may use a volume. Calls for the same volume take turns, for at most eight seconds, under the volume's lock of
 * `VolumeLock`: the caller must not hold it. What succeeds is on record and survives any restart; what fails may be on record
 * if an answer was lost, and can be asked for again.
 */
export class Fencing extends Context.Service<Fencing, {
  /**
   * Grants the volume to the node, or confirms that it has it (CSI spec, ControllerPublishVolume). Refuses at once if other
   * nodes hold the volume and may not share it.
   */
  publish(request: AttachmentRequest): Effect.Effect<void, CommitError>
  /**
   * Releases the volume from the node, or from every node when there is none (CSI spec, ControllerUnpublishVolume). To release
   * what is not held succeeds.
   */
  unpublish(volumeId: VolumeId, nodeId: Option.Option<string>): Effect.Effect<void, CommitError>
  /** The nodes that hold the volume now, in the order in which they got it. */
  holders(volumeId: VolumeId): Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  /**
   * The nodes that hold each volume, as last heard of. Complete: nobody holds a volume that is not there. AttachmentUnknown
   * until everything is known that was attached when the process started.
   */
  readonly allHolders: Effect.Effect<
    ReadonlyMap<VolumeId, ReadonlyArray<string>>,
    AttachmentUnknown | StoreUnavailable
  >
}>()("rds-csi/attachment/Fencing") {
  static readonly layer = Layer.effect(
    Fencing,
    Effect.gen(function*() {
      const store = yield* AttachmentStore
      const reconciler = yield* Reconciler
      const services = yield* Effect.context<CommitServices>()

      const publish = Effect.fn("Fencing.publish")(
        function*({ volumeId, ...request }: AttachmentRequest) {
          if (!(yield* reconciler.isReady)) return yield* notReady(volumeId)
          return yield* commit(volumeId, { _tag: "Publish", ...request })
        },
        timed((holders) => holders > 1 ? "attach_secondary" : "attach"),
        Metrics.measured({ total: Metrics.attachmentAttachTotal }),
        Effect.provide(services)
      )

      const unpublish = Effect.fn("Fencing.unpublish")(
        (volumeId: VolumeId, nodeId: Option.Option<string>) => commit(volumeId, { _tag: "Unpublish", nodeId }),
        timed((holders) => holders > 0 ? "detach_partial" : "detach"),
        Metrics.measured({ total: Metrics.attachmentDetachTotal }),
        Effect.provide(services)
      )

      const holdersIn = (volumeId: VolumeId, record: AttachmentRecord, options: { readonly pending: boolean }) =>
        stateOf(volumeId, record, options).pipe(
          Effect.map(({ state }) => nodesOf(state.holders)),
          Effect.provide(services)
        )

      const holders = Effect.fn("Fencing.holders")(function*(volumeId: VolumeId) {
        const record = yield* store.read(volumeId)
        return Option.isNone(record) ? [] : yield* holdersIn(volumeId, record.value, { pending: true })
      })

      const allHolders = Effect.gen(function*() {
        if (!(yield* reconciler.isReady)) return yield* notListable()
        const records = yield* store.list
        return new Map(
          yield* Effect.forEach(records, ({ record, volumeId }) =>
            Effect.map(
              holdersIn(volumeId, record, { pending: false }),
              (nodes) => [volumeId, nodes] as const
            ))
        )
      }).pipe(Effect.withSpan("Fencing.allHolders"))

      return Fencing.of({ publish, unpublish, holders, allHolders })
    })
  )
}

const notListable = () =>
  new AttachmentUnknown({
    message: "volumes cannot be listed yet: the controller has just started and does not know who holds them; try again"
  })

const notReady = (volumeId: VolumeId) =>
  new AttachmentUnknown({
    message:
      `volume ${volumeId} cannot be attached yet: the controller has just started and does not know yet who holds ` +
      "which volume; try again"
  })

/** Times what succeeds, as the operation that the number of holders afterwards tells. */
const timed =
  (operationOf: (holders: number) => string) =>
  <E, R>(self: Effect.Effect<Option.Option<AttachmentState>, E, R>): Effect.Effect<void, E, R> =>
    Effect.gen(function*() {
      const begun = yield* Clock.monotonicTimeNanos
      const state = yield* self
      const holders = Option.match(state, { onNone: () => 0, onSome: ({ holders }) => holders.length })
      yield* Metric.update(
        Metric.withAttributes(Metrics.attachmentOperationDurationSeconds, { operation: operationOf(holders) }),
        Metrics.secondsBetween(begun, yield* Clock.monotonicTimeNanos)
      )
    })
