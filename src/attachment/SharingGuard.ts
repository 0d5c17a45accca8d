import { Context, Effect, Layer } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { AttachmentConflict, AttachmentUnknown } from "./Errors.ts"

/**
 * Looks at who is going to write to a volume on two nodes at once. Nothing but a cluster file system or a live migration, in
 * which QEMU hands the disk over, survives two writers.
 */
export class SharingGuard extends Context.Service<SharingGuard, {
  /**
   * To be asked before `second` becomes a holder beside `first`. Fails with AttachmentConflict when the policy refuses it, and
   * with AttachmentUnknown when it demands an answer that cannot be had now.
   */
  check(
    volumeId: VolumeId,
    first: string,
    second: string
  ): Effect.Effect<void, AttachmentConflict | AttachmentUnknown>
}>()("rds-csi/attachment/SharingGuard") {
  /** Anybody may share. Also for a driver without a cluster. */
  static readonly layerAny = Layer.succeed(SharingGuard, { check: () => Effect.void })
}
