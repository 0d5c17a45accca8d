import { Context, Effect, Layer } from "effect"
import type { VolumeId } from "../../../volume/VolumeId.ts"

/**
 * What people want to know about a volume on a node, under the reasons that the Go driver used for its events:
 *
 * | reason             | kind    | when                                                                        |
 * | ------------------ | ------- | --------------------------------------------------------------------------- |
 * | ConnectionFailure  | Warning | a connect failed, or the connection of a staged volume is down or vanished  |
 * | ConnectionRecovery | Normal  | the connection is up again                                                  |
 * | StaleMountDetected | Warning | the volume came back as another device than the one that is mounted         |
 * | RecoveryFailed     | Warning | it could not be mounted afresh although nothing uses it                     |
 * | MountFailure       | Warning | it could not be staged, or what is staged cannot be used                    |
 * | MountRecovery      | Normal  | what is staged can be used again                                            |
 */
export type NodeReason =
  | "ConnectionFailure"
  | "ConnectionRecovery"
  | "StaleMountDetected"
  | "RecoveryFailed"
  | "MountFailure"
  | "MountRecovery"

/** Something that happened to a volume on this node. The message names neither; it is the same each time it happens. */
export interface NodeFact {
  readonly reason: NodeReason
  readonly volumeId: VolumeId
  readonly message: string
}

/** Tells people what happens to volumes on this node. */
export class NodeEvents extends Context.Service<NodeEvents, {
  /** Best effort: neither fails nor waits for I/O, and may drop what is too much. */
  publish(fact: NodeFact): Effect.Effect<void>
}>()("rds-csi/csi/node/NodeEvents") {
  /** Nobody but the log, where every fact goes anyway. */
  static readonly layerNone = Layer.succeed(NodeEvents, { publish: () => Effect.void })
}
