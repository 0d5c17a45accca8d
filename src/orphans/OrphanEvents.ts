import { Context, Effect, Layer } from "effect"

/** What is told about orphans: that they were found, or what was done about them, or why nothing was. */
export interface OrphanNotice {
  readonly type: "Normal" | "Warning"
  readonly reason: "OrphanDetected" | "OrphanUnexported" | "OrphanCleaned" | "OrphanCleanupHeld"
  readonly message: string
}

/** Tells people about volumes that have no claim to hang an event on. */
export class OrphanEvents extends Context.Service<OrphanEvents, {
  /** Best effort: neither fails nor waits for I/O. */
  post(notice: OrphanNotice): Effect.Effect<void>
}>()("rds-csi/orphans/OrphanEvents") {
  /** Nobody but the log, where it goes anyway. */
  static readonly layerNone = Layer.succeed(OrphanEvents, { post: () => Effect.void })
}
