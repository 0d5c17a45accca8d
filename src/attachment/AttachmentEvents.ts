import { Context, Effect, Layer } from "effect"
import type { EventsUnavailable } from "./Errors.ts"
import type { Fact, MigrationEnded } from "./Facts.ts"

/** Tells people what happens to a volume's attachments. */
export class AttachmentEvents extends Context.Service<AttachmentEvents, {
  /** Best effort: neither fails nor waits for I/O, and may drop what is too much. */
  publish(fact: Fact): Effect.Effect<void>
  /**
   * Succeeds once the end of the migration is told for good, or there is nobody to tell. Telling the same end again (same
   * volume, `number`, `startedAt` and `result`), also from another replica, adds nothing: it is told exactly once.
   */
  tell(ended: MigrationEnded): Effect.Effect<void, EventsUnavailable>
}>()("rds-csi/attachment/AttachmentEvents") {
  /** Nobody but the log, where every fact goes anyway. */
  static readonly layerNone = Layer.succeed(AttachmentEvents, { publish: () => Effect.void, tell: () => Effect.void })
}
