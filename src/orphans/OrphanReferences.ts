import { Context, Effect, Layer, Schema } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"

/** It is not known now what the cluster refers to. Nothing is an orphan then. */
export class ReferencesUnavailable
  extends Schema.TaggedError<ReferencesUnavailable>()("ReferencesUnavailable", { message: Schema.String })
{}

/** Something of the cluster that refers to a volume. */
export interface Reference {
  /** What refers, for people: `PersistentVolume pvc-…`. */
  readonly by: string
  /** Ids, NQNs and paths (with a leading slash): the volume that has any of them is referred to. */
  readonly keys: ReadonlyArray<string>
  /** Whether it refers to the volume although it names none of its keys. */
  readonly isTo?: (id: VolumeId) => boolean
}

/** Everything of the orchestrator that can refer to a volume. */
export class OrphanReferences extends Context.Service<OrphanReferences, {
  /** All there is now, never from a cache alone; complete, or an error. What was made before the call is in it. */
  readonly read: Effect.Effect<ReadonlyArray<Reference>, ReferencesUnavailable>
}>()("rds-csi/orphans/OrphanReferences") {
  /** Without an orchestrator nothing tells which volumes are needed, so none is an orphan. */
  static readonly layerUnknown = Layer.succeed(OrphanReferences, {
    read: Effect.fail(
      new ReferencesUnavailable({ message: "there is no cluster that could tell which volumes are needed" })
    )
  })
}
