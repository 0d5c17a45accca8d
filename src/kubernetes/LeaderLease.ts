import { Clock, Data, Duration, Effect, Layer, Metric, Option, Ref, Schedule, SubscriptionRef } from "effect"
import { Leadership } from "../attachment/Leadership.ts"
import { leader } from "../observability/Metrics.ts"
import { KubeConfigInvalid } from "./Errors.ts"
import { KubeApi } from "./KubeApi.ts"
import { type Held, makeLeaseRecord } from "./LeaseRecord.ts"
import type { Lease } from "./Resources.ts"

export interface LeaseConfig {
  readonly name: string
  /** Where the Lease is; none: the namespace that the process runs in. */
  readonly namespace: Option.Option<string>
  /** Who this replica is; no two may be equal. */
  readonly identity: string
  /** How long others wait after the last sign of life before they take over; whole seconds. */
  readonly duration: Duration.Duration
  /** A leader that could not renew for so long stops leading. Less than `duration` by more than clocks drift in it. */
  readonly renewDeadline: Duration.Duration
  readonly retryPeriod: Duration.Duration
}

/** The other times in the same proportion as Kubernetes' own controllers have them: 15, 10 and 2 seconds. */
export const leaseTimes = (duration: Duration.Duration) => ({
  duration,
  renewDeadline: Duration.times(duration, 2 / 3),
  retryPeriod: Duration.times(duration, 2 / 15)
})

/** `controller-leader-rds-csi-srvlab-io`, in the manner of the sidecars' Leases. */
export const leaseName = (driver: string): string =>
  `controller-leader-${driver.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`

/**
 * Leads while it holds a Lease (coordination.k8s.io), in the way of Kubernetes' own leader election: whoever sees the Lease
 * unchanged for its whole duration, by its own clock, takes over; the times in the Lease are for people. A leader counts from
 * before the request that renewed the Lease, so it has stopped before anyone else starts. At its end it gives the Lease back.
 */
export const leaderLease = (config: LeaseConfig) => Layer.effect(Leadership, make(config))

/** Why this replica leads no longer. */
class Lost extends Data.TaggedError("Lost")<{ readonly reason: string }> {}

/** How long the end of the process waits for giving the Lease back. */
const farewell = "2 seconds"

const make = Effect.fnUntraced(function*(config: LeaseConfig) {
  const api = yield* KubeApi
  const namespace = yield* Effect.mapError(
    Effect.fromOption(Option.orElse(config.namespace, () => api.namespace)),
    () =>
      new KubeConfigInvalid({
        message: "the namespace of the leader's Lease is not known: name it with --leader-election-namespace"
      })
  )
  const record = yield* makeLeaseRecord({ name: config.name, namespace }, config.identity, config.duration)
  const isLeader = yield* SubscriptionRef.make(false)
  const isFree = yield* makeIsFree(config.duration)

  const take = Effect.gen(function*() {
    const lease = yield* record.read
    const mayTake = Option.isNone(lease) || record.isMine(lease.value) || (yield* isFree(lease.value))
    return mayTake ? Option.some(yield* record.take(lease)) : Option.none()
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.as(Effect.logDebug(`the leader's Lease cannot be had now: ${message}`), Option.none())
    )
  )

  /** After a write whose answer was lost the Lease has a newer version, and is ours all the same. */
  const renewOnce = Effect.fnUntraced(function*({ lease }: Held) {
    return yield* Effect.catchTag(
      record.renew(lease),
      "KubeConflict",
      Effect.fnUntraced(function*() {
        const lease = yield* record.read
        if (Option.isSome(lease) && record.isMine(lease.value)) {
          return yield* record.renew(lease.value)
        }
        return yield* new Lost({ reason: "another replica has taken the Lease" })
      })
    )
  }, Effect.catchTag("KubeNotFound", () => Effect.fail(new Lost({ reason: "the Lease was deleted" }))))

  /** Renews as long as it can; the answer is why it could not. */
  const keep = Effect.fnUntraced(function*(held: Held): Effect.fn.Return<never, Lost> {
    let latest = held
    while (true) {
      yield* Effect.sleep(config.retryPeriod)
      const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - latest.renewedAt)
      latest = yield* renewOnce(latest).pipe(
        Effect.retry({ schedule: Schedule.spaced(config.retryPeriod), while: ({ _tag }) => _tag !== "Lost" }),
        Effect.timeoutOrElse({
          duration: Duration.subtract(config.renewDeadline, elapsed),
          orElse: () => Effect.fail(new Lost({ reason: "the Lease could not be renewed in time" }))
        }),
        Effect.mapError((error) => error._tag === "Lost" ? error : new Lost({ reason: error.message }))
      )
    }
  })

  const lead = (leads: boolean, why: string) =>
    Effect.gen(function*() {
      yield* SubscriptionRef.set(isLeader, leads)
      yield* Metric.update(leader, leads ? 1 : 0)
      yield* Effect.logInfo(leads ? "this replica leads" : "this replica does not lead any longer").pipe(
        Effect.annotateLogs({ lease: config.name, identity: config.identity, ...(why === "" ? {} : { reason: why }) })
      )
    })

  const term = Effect.gen(function*() {
    const held = yield* take.pipe(
      Effect.repeat({ schedule: Schedule.jittered(Schedule.spaced(config.retryPeriod)), until: Option.isSome }),
      Effect.flatMap(Effect.fromOption),
      Effect.orDie
    )
    yield* lead(true, "")
    yield* keep(held).pipe(
      Effect.catch(({ reason }) => lead(false, reason)),
      Effect.onInterrupt(() => lead(false, "the process ends"))
    )
  })

  yield* Metric.update(leader, 0)
  yield* Effect.addFinalizer(() =>
    record.read.pipe(
      Effect.flatMap((lease) =>
        Option.isSome(lease) && record.isMine(lease.value)
          ? Effect.asVoid(record.giveBack(lease.value))
          : Effect.void
      ),
      Effect.timeoutOption(farewell),
      Effect.ignore
    )
  )
  yield* Effect.forkScoped(Effect.forever(term))
  return Leadership.of({ changes: SubscriptionRef.changes(isLeader) })
})

/** Whether a Lease that another replica holds, or held, may be taken. */
const makeIsFree = Effect.fnUntraced(function*(fallback: Duration.Duration) {
  const seen = yield* Ref.make({ text: "", at: 0n })
  return Effect.fnUntraced(function*({ spec }: Lease) {
    if ((spec?.holderIdentity ?? "") === "") return true
    const now = yield* Clock.monotonicTimeNanos
    const text = JSON.stringify(spec)
    const { at } = yield* Ref.updateAndGet(seen, (before) => before.text === text ? before : { text, at: now })
    const seconds = spec?.leaseDurationSeconds ?? 0
    const duration = seconds > 0 ? Duration.seconds(seconds) : fallback
    return now - at >= Duration.toNanosUnsafe(duration)
  })
})
