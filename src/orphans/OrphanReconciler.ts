import { Duration, Effect, Layer, Ref, Schedule } from "effect"
import { names } from "../attachment/Facts.ts"
import { Fencing } from "../attachment/Fencing.ts"
import type { Earlier } from "../attachment/GracePeriod.ts"
import { whileLeader } from "../attachment/Leadership.ts"
import { Reconciler } from "../attachment/Reconciler.ts"
import type { OrphanScope } from "./Judgement.ts"
import { orphanPass, type PassConfig } from "./OrphanPass.ts"
import { OrphanReferences, type Reference, ReferencesUnavailable } from "./OrphanReferences.ts"
import { countPass, showNothing } from "./OrphanReport.ts"

export interface OrphanConfig extends PassConfig {
  readonly scope: OrphanScope
  /** Time between two passes. */
  readonly interval: Duration.Duration
}

/** What could not be looked at is looked at again after this time, or the interval if that is shorter. */
const retryAfter = Duration.minutes(1)

/**
 * Looks for volumes of this cluster to which nothing refers, for as long as this replica leads, and cleans them unless it is
 * told to look only. Each term of leadership begins with no memory of any orphan. Needs to know who holds which volume first.
 */
export const orphanReconciler = (config: OrphanConfig) =>
  Layer.effectDiscard(Effect.forkScoped(whileLeader(lead(config))))

const lead = Effect.fnUntraced(function*(config: OrphanConfig) {
  const { isReady } = yield* Reconciler
  const references = yield* allReferences
  const earlier = yield* Ref.make<Earlier>(new Map())
  yield* Effect.repeat(isReady, { until: (ready) => ready, schedule: Schedule.spaced("1 second") })
  const pass = Ref.get(earlier).pipe(
    Effect.flatMap((known) => orphanPass(config, { scope: config.scope, references }, known)),
    Effect.flatMap((noted) => Ref.set(earlier, noted)),
    Effect.as(config.interval),
    Effect.catch(({ message }) =>
      countPass("failed").pipe(
        Effect.andThen(Effect.logWarning(`orphans were not looked for to the end: ${message}`)),
        Effect.as(Duration.min(retryAfter, config.interval))
      )
    )
  )
  return yield* Effect.forever(Effect.flatMap(pass, Effect.sleep))
}, Effect.ensuring(showNothing))

/** What the cluster's objects refer to, and what nodes hold by the record of attachments. */
const allReferences = Effect.gen(function*() {
  const { read } = yield* OrphanReferences
  const { allHolders } = yield* Fencing
  const held = Effect.mapBoth(allHolders, {
    onFailure: ({ message }) => new ReferencesUnavailable({ message }),
    onSuccess: (holders) =>
      [...holders].flatMap(([id, nodes]): ReadonlyArray<Reference> =>
        nodes.length === 0 ? [] : [{ by: `the record of attachments (${names(nodes)})`, keys: [id] }]
      )
  })
  return Effect.zipWith(read, held, (listed, recorded) => [...listed, ...recorded])
})
