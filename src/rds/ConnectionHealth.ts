import { Clock, Effect, Latch, Metric, Option, Ref, SubscriptionRef } from "effect"
import { rdsConnectionState } from "../observability/Metrics.ts"
import { ApplianceUnavailable } from "./Errors.ts"
import type { ConnectError } from "./Exec.ts"

/** The connection as `/readyz` and the metrics want to know it. */
export interface ConnectionState {
  readonly connected: boolean
  /** Milliseconds since the epoch at which `connected` last changed. */
  readonly since: number
  /** Why the last attempt to connect failed, or the last connection ended; absent while connected. */
  readonly lastError?: ConnectError
  /** RouterOS version of the last successful probe, e.g. `7.24.4 (stable)`. */
  readonly version?: string
}

/**
 * Whether the appliance is there, from what connecting to it told, and the circuit breaker that follows from it: after
 * `threshold` failures in a row without any open connection, callers are refused without trying. Only the pool's own
 * reconnect still tries then, so that no caller has to be the one who finds out.
 */
export const makeConnectionHealth = Effect.fnUntraced(function*(address: string, threshold: number) {
  const gauge = Metric.withAttributes(rdsConnectionState, { address })
  const initial: ConnectionState = { connected: false, since: yield* Clock.currentTimeMillis }
  const current = yield* SubscriptionRef.make(initial)
  const failures = yield* Ref.make(0)
  const down = yield* Latch.make(true)
  yield* Metric.update(gauge, 0)

  const opened = Effect.fnUntraced(function*(version: string) {
    if ((yield* SubscriptionRef.get(current)).connected) return
    yield* SubscriptionRef.set(current, { connected: true, since: yield* Clock.currentTimeMillis, version })
    yield* Ref.set(failures, 0)
    yield* down.close
    yield* Metric.update(gauge, 1)
    yield* Effect.logInfo("connected to the appliance").pipe(Effect.annotateLogs({ address, version }))
  })

  const failed = Effect.fnUntraced(function*(error: ConnectError) {
    const before = yield* SubscriptionRef.get(current)
    if (!before.connected) {
      yield* SubscriptionRef.set(current, { ...before, lastError: error })
      yield* Ref.update(failures, (n) => n + 1)
    }
    // One line per new reason: a dead appliance fails every few seconds.
    const log = before.lastError?.message === error.message ? Effect.logDebug : Effect.logWarning
    yield* log("cannot connect to the appliance").pipe(Effect.annotateLogs({ address, reason: error.message }))
  })

  const lost = Effect.fnUntraced(function*(reason: string) {
    const before = yield* SubscriptionRef.get(current)
    const since = yield* Clock.currentTimeMillis
    yield* SubscriptionRef.set(current, { ...before, connected: false, since, lastError: connectionLost(reason) })
    yield* Metric.update(gauge, 0)
    yield* Effect.logWarning("lost the connection to the appliance").pipe(Effect.annotateLogs({ address, reason }))
    yield* down.open
  })

  const refusal = Effect.gen(function*() {
    const { connected, lastError } = yield* SubscriptionRef.get(current)
    const attempts = yield* Ref.get(failures)
    if (connected || lastError === undefined || attempts < threshold) return Option.none<ConnectError>()
    return Option.some(lastError._tag === "ApplianceUnavailable" ? circuitOpen(lastError, attempts) : lastError)
  })

  return {
    state: SubscriptionRef.get(current),
    /** The present state first, then each new one. */
    states: SubscriptionRef.changes(current),
    /** A connection passed the probe. */
    opened,
    /** An attempt to connect failed. */
    failed,
    /** The last open connection ended. */
    lost,
    /** Why callers are to be refused now, if they are. */
    refusal,
    /** Waits until no connection is open. */
    awaitDown: down.await
  }
})

/** What `makeConnectionHealth` makes. */
export type ConnectionHealth = Effect.Success<ReturnType<typeof makeConnectionHealth>>

const connectionLost = (reason: string) =>
  new ApplianceUnavailable({
    reason: "lost",
    message: `the connection to the appliance was lost (${reason}); the driver is reconnecting`
  })

const circuitOpen = (last: ApplianceUnavailable, attempts: number) =>
  new ApplianceUnavailable({
    reason: "circuit-open",
    message: `the appliance has not answered ${attempts} times in a row, so it was not asked again; ${last.message}`
  })
