import { Context, Effect, Layer, Stream } from "effect"

/**
 * Which of several replicas of the controller does the work in the background. Nothing depends on there being only one
 * leader at a time: whatever it decides goes through a compare-and-set.
 */
export class Leadership extends Context.Service<Leadership, {
  /** Whether this replica leads: the present answer first, then each change. Never ends. */
  readonly changes: Stream.Stream<boolean>
}>()("rds-csi/attachment/Leadership") {
  /** The only replica. */
  static readonly layerAlways = Layer.succeed(Leadership, { changes: Stream.concat(Stream.make(true), Stream.never) })
}

/** Runs the effect whenever this replica leads, from the start each time, and interrupts it as soon as it does not. */
export const whileLeader = Effect.fnUntraced(function*<E, R>(effect: Effect.Effect<never, E, R>) {
  const { changes } = yield* Leadership
  return yield* changes.pipe(
    Stream.changes,
    Stream.switchMap((leads) => leads ? Stream.fromEffect(effect) : Stream.empty),
    Stream.runDrain
  )
})
