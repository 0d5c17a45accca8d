import { Clock, DateTime, Duration, Effect, Option } from "effect"
import { KubeApi } from "./KubeApi.ts"
import type { ObjectRef } from "./Resource.ts"
import { type Lease, leases, microTime } from "./Resources.ts"

/** The Lease is ours, in this form. */
export interface Held {
  readonly lease: Lease
  /** Just before the request that said so to everyone else; monotonic nanoseconds. */
  readonly renewedAt: bigint
}

/**
 * Reads and writes one Lease for `identity`. Every write is a compare-and-set, and an update rather than a patch, as that is
 * what the roles of other controllers allow for Leases.
 */
export const makeLeaseRecord = Effect.fnUntraced(
  function*(ref: ObjectRef, identity: string, duration: Duration.Duration) {
    const api = yield* KubeApi

    const timed = <E>(write: (now: string) => Effect.Effect<Lease, E>): Effect.Effect<Held, E> =>
      Effect.gen(function*() {
        const renewedAt = yield* Clock.monotonicTimeNanos
        return { lease: yield* write(microTime(yield* DateTime.now)), renewedAt }
      })

    const isMine = ({ spec }: Lease) => spec?.holderIdentity === identity
    const tenure = (now: string) => ({
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(Duration.toSeconds(duration)),
      acquireTime: now,
      renewTime: now
    })

    return {
      isMine,
      read: api.get(leases, ref).pipe(
        Effect.asSome,
        Effect.catchTag("KubeNotFound", () => Effect.succeedNone)
      ),
      /** Makes the Lease ours. */
      take: (lease: Option.Option<Lease>) =>
        timed((now) =>
          Option.match(lease, {
            onNone: () => api.create(leases, ref, { spec: { ...tenure(now), leaseTransitions: 0 } }),
            onSome: ({ metadata, spec }) =>
              api.replace(leases, ref, metadata.resourceVersion, {
                spec: { ...tenure(now), leaseTransitions: (spec?.leaseTransitions ?? 0) + 1 }
              })
          })
        ),
      renew: ({ metadata, spec }: Lease) =>
        timed((renewTime) => api.replace(leases, ref, metadata.resourceVersion, { spec: { ...spec, renewTime } })),
      /** Lets anyone take it at once. */
      giveBack: ({ metadata, spec }: Lease) =>
        api.replace(leases, ref, metadata.resourceVersion, {
          spec: { ...spec, holderIdentity: "", leaseDurationSeconds: 1 }
        })
    }
  }
)
