import { Clock, Context, Duration, Effect, Latch, Layer, Metric, Option, Ref, Stream } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import { forEachInterleaved } from "../volume/Interleave.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { readmitAll } from "./Admission.ts"
import { countReconcile } from "./Announce.ts"
import { AttachmentStore, type Change } from "./AttachmentStore.ts"
import { backoff } from "./Backoff.ts"
import { showGauges } from "./Gauges.ts"
import type { Earlier } from "./GracePeriod.ts"
import { whileLeader } from "./Leadership.ts"
import { type Migrations, superviseMigrations } from "./Migration.ts"
import { reconcilePass } from "./ReconcilePass.ts"

/** How grants are kept in step with the orchestrator's attachments. */
export interface ReconcilerConfig {
  /** How long a grant without an attachment is left alone. */
  readonly gracePeriod: Duration.Duration
  /** Time between two passes when nothing calls for one. */
  readonly interval: Duration.Duration
}

/** What a pass left undone is tried again after this time. */
const retryAfter = Duration.seconds(10)

/** Causes for a pass that come this close together lead to one. */
const gatherFor = Duration.seconds(1)

/**
 * Keeps grants and the orchestrator's attachments in step. It begins with taking over what is attached, as a fresh process
 * must not grant what it does not know to be free. Then the leading replica compares both from time to time, and when
 * something happened that may have changed one without the other; and it supervises the migrations.
 */
export class Reconciler extends Context.Service<Reconciler, {
  /** Whether everything that was attached when the process started is known. Once true it stays so. */
  readonly isReady: Effect.Effect<boolean>
  /** Asks for a pass soon, as after the appliance was away. */
  readonly trigger: Effect.Effect<void>
}>()("rds-csi/attachment/Reconciler") {
  static readonly layer = (config: ReconcilerConfig) =>
    Layer.effect(
      Reconciler,
      Effect.gen(function*() {
        const isReady = yield* Ref.make(false)
        const cause = yield* Latch.make()
        yield* rebuild(config).pipe(
          Effect.andThen(Ref.set(isReady, true)),
          Effect.andThen(whileLeader(lead(config, cause))),
          Effect.forkScoped
        )
        return Reconciler.of({ isReady: Ref.get(isReady), trigger: Effect.asVoid(cause.open) })
      })
    )
}

const rebuild = Effect.fn("Reconciler.rebuild")(function*({ gracePeriod }: ReconcilerConfig) {
  const begun = yield* Clock.monotonicTimeNanos
  yield* reconcilePass({ starting: true, gracePeriod, earlier: new Map() }).pipe(
    Effect.tapError(({ message }) => Effect.logWarning(`no volume can be attached yet: ${message}`)),
    Effect.repeat({ until: ({ complete }) => complete, schedule: backoff }),
    Effect.retry(backoff)
  )
  const seconds = Metrics.secondsBetween(begun, yield* Clock.monotonicTimeNanos)
  yield* Metric.update(Metrics.attachmentRebuildDurationSeconds, seconds)
  yield* Effect.logInfo(`volumes can be attached: who holds which one is known, after ${seconds.toFixed(3)} s`)
})

/** What only the leading replica does. `cause` is open when there is a cause for a pass. */
const lead = Effect.fnUntraced(function*(config: ReconcilerConfig, cause: Latch.Latch) {
  const migrations = yield* superviseMigrations
  const store = yield* AttachmentStore
  const earlier = yield* Ref.make<Earlier>(new Map())
  yield* Effect.forkScoped(showGauges)
  yield* Effect.forkScoped(
    Stream.runForEach(store.changes, (change) => follow(change, migrations, cause)),
    { startImmediately: true }
  )
  return yield* Effect.forever(Effect.gen(function*() {
    yield* cause.close
    const wait = yield* pass(config, migrations, earlier)
    const isCalledFor = yield* Effect.timeoutOption(cause.await, wait)
    if (Option.isSome(isCalledFor)) yield* Effect.sleep(gatherFor)
  }))
}, Effect.scoped)

const follow = Effect.fnUntraced(function*(change: Change, migrations: Migrations, cause: Latch.Latch) {
  if (change._tag === "Record") {
    yield* Effect.ignore(migrations.observe(change.volumeId))
    if (!(yield* isUnreadable(change.volumeId))) return
  }
  if (change._tag === "Node") yield* countReconcile("node_watcher_trigger")
  yield* cause.open
})

/** Whether somebody has edited the record into nonsense: nobody gets the volume until a pass has rebuilt it. */
const isUnreadable = Effect.fnUntraced(function*(volumeId: VolumeId) {
  const store = yield* AttachmentStore
  const record = Option.flatten(yield* Effect.option(store.peek(volumeId)))
  return Option.exists(record, ({ _tag }) => _tag === "Unreadable")
})

/** One pass, and the time until the next. */
const pass = Effect.fnUntraced(
  function*({ gracePeriod, interval }: ReconcilerConfig, migrations: Migrations, earlier: Ref.Ref<Earlier>) {
    const { complete, graceEndsAt, noted, volumeIds } = yield* reconcilePass({
      starting: false,
      gracePeriod,
      earlier: yield* Ref.get(earlier)
    })
    yield* Ref.set(earlier, noted)
    yield* forEachInterleaved(volumeIds, (volumeId) => migrations.observe(volumeId))
    yield* readmitAll
    const wait = complete ? interval : retryAfter
    if (graceEndsAt === undefined) return wait
    return Duration.min(wait, Duration.nanos(graceEndsAt - (yield* Clock.monotonicTimeNanos)))
  },
  Effect.catchTag("StoreUnavailable", ({ message }) =>
    countReconcile("failed").pipe(
      Effect.andThen(Effect.logWarning(`attachments could not be reconciled: ${message}`)),
      Effect.as(retryAfter)
    ))
)
