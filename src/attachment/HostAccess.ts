import { Context, Effect, Layer, type Option } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { HostAccessFailed } from "./Errors.ts"

/**
 * What becomes of an export that lets in every host: it is limited as well (`limit`), or it stays open (`leave`), because the
 * nodes that use the volume since before may go by names that the driver does not know.
 */
export type WhenOpen = "limit" | "leave"

/**
 * Who may connect to a volume at the appliance itself: a second fence, behind the record of attachments, for nodes that do not
 * heed the first one.
 */
export class HostAccess extends Context.Service<HostAccess, {
  /** Whether the appliance is to enforce it. If not, every host is let in and nothing here is called. */
  readonly enforced: boolean
  /**
   * Lets exactly these nodes connect from now on, or nobody when there are none. Connections that stand are not cut. Succeeds
   * for a volume that does not exist.
   */
  limit(volumeId: VolumeId, nodes: ReadonlyArray<string>, whenOpen: WhenOpen): Effect.Effect<void, HostAccessFailed>
  /** The host NQNs that each volume lets in; none: all of them. Complete, or an error. */
  readonly limits: Effect.Effect<ReadonlyMap<VolumeId, Option.Option<ReadonlyArray<string>>>, HostAccessFailed>
}>()("rds-csi/attachment/HostAccess") {
  /** Every host that reaches the appliance is let in. */
  static readonly layerOpen = Layer.succeed(HostAccess, {
    enforced: false,
    limit: () => Effect.void,
    limits: Effect.succeed(new Map())
  })
}
