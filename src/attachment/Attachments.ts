import { Clock, Context, Effect, HashMap, Layer, Metric, Option, Ref } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import type { AccessMode } from "../volume/AccessMode.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { AttachmentConflict, AttachmentIncompatible } from "./Errors.ts"

/** What ControllerPublishVolume asks for: this volume, on this node, in this way. */
export interface AttachmentRequest {
  readonly volumeId: VolumeId
  readonly nodeId: string
  readonly accessMode: AccessMode
  readonly readonly: boolean
}

interface Holder {
  readonly nodeId: string
  readonly accessMode: AccessMode
  readonly readonly: boolean
  /** Milliseconds since the epoch. */
  readonly since: number
}

/**
 * Who may use a volume. A volume has at most one holder, whatever its access mode: a second node is refused until the first
 * one has been released.
 *
 * **Gotchas** The table lives in memory. After a restart of the controller it is empty, and only the orchestrator's own
 * bookkeeping (one VolumeAttachment per volume) keeps a second node away.
 */
export class Attachments extends Context.Service<Attachments, {
  /** Grants the volume to the node, or confirms an equal grant (CSI spec, ControllerPublishVolume idempotency table). */
  publish(request: AttachmentRequest): Effect.Effect<void, AttachmentConflict | AttachmentIncompatible>
  /** Releases the volume from `nodeId`, or from every node when there is none. Releasing what is not held succeeds. */
  unpublish(volumeId: VolumeId, nodeId: Option.Option<string>): Effect.Effect<void>
  /** The nodes that hold the volume. */
  holders(volumeId: VolumeId): Effect.Effect<ReadonlyArray<string>>
}>()("rds-csi/attachment/Attachments") {
  static readonly layerMemory = Layer.effect(
    Attachments,
    Effect.gen(function*() {
      const table = yield* Ref.make(HashMap.empty<VolumeId, Holder>())

      // Check and grant are one step on the Ref, so that two publishes at once cannot both win.
      const publish = Effect.fn("Attachments.publish")(function*(request: AttachmentRequest) {
        const since = yield* Clock.currentTimeMillis
        const refusal = yield* Ref.modify(table, (holders) => {
          const holder = Option.getOrUndefined(HashMap.get(holders, request.volumeId))
          return holder === undefined
            ? [undefined, HashMap.set(holders, request.volumeId, { ...request, since })]
            : [refuse(holder, request), holders]
        })
        if (refusal?._tag === "AttachmentConflict") yield* Metric.update(Metrics.attachmentConflictsTotal, 1)
        if (refusal !== undefined) return yield* refusal
      }, measure("attach", Metrics.attachmentAttachTotal))

      const unpublish = Effect.fn("Attachments.unpublish")(function*(
        volumeId: VolumeId,
        nodeId: Option.Option<string>
      ) {
        yield* Ref.update(table, (holders) => {
          const holder = HashMap.get(holders, volumeId)
          const held = Option.exists(holder, (h) => Option.getOrElse(nodeId, () => h.nodeId) === h.nodeId)
          return held ? HashMap.remove(holders, volumeId) : holders
        })
      }, measure("detach", Metrics.attachmentDetachTotal))

      const holders = Effect.fnUntraced(function*(volumeId: VolumeId) {
        return Option.toArray(HashMap.get(yield* Ref.get(table), volumeId)).map((holder) => holder.nodeId)
      })

      return Attachments.of({ publish, unpublish, holders })
    })
  )
}

const measure = (operation: string, total: Metric.Counter<number>) =>
  Metrics.measured({ total, seconds: Metrics.attachmentOperationDurationSeconds, attributes: { operation } })

const refuse = (holder: Holder, request: AttachmentRequest) => {
  if (holder.nodeId !== request.nodeId) {
    return new AttachmentConflict({
      message: `volume ${request.volumeId} is attached to node ${holder.nodeId} and cannot be attached to node ` +
        `${request.nodeId} as well; it becomes free when ${holder.nodeId} has unstaged it and its VolumeAttachment is deleted`
    })
  }
  if (holder.accessMode !== request.accessMode || holder.readonly !== request.readonly) {
    return new AttachmentIncompatible({
      message: `volume ${request.volumeId} is already attached to node ${holder.nodeId} with access mode ` +
        `${holder.accessMode} and readonly=${holder.readonly}; asked for ${request.accessMode} and ` +
        `readonly=${request.readonly}`
    })
  }
  return undefined
}
