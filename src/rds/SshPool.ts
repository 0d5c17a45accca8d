import { Clock, Context, Duration, Effect, Layer, Option, Schedule, Semaphore, type Stream } from "effect"
import { RateLimiter } from "effect/persistence"
import { measured, rdsReconnectDurationSeconds, rdsReconnectTotal } from "../observability/Metrics.ts"
import { type ConnectionState, makeConnectionHealth } from "./ConnectionHealth.ts"
import { makeConnections } from "./Connections.ts"
import { exec, type ExecError } from "./Exec.ts"
import type { Facts } from "./Facts.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { SshTransport } from "./SshTransport.ts"

export interface SshPoolConfig {
  /** Connections at most, 1 to 4. RouterOS counts each against `/ip/service` `max-sessions` (20). */
  readonly connections: number
  /** For reaching the appliance, the handshake, and the probe of a new connection; also for a liveness check. */
  readonly connectTimeout: Duration.Input
  /** For scripts that only read. */
  readonly readTimeout: Duration.Input
  /** For scripts that change something: allocating or deleting a large file takes its time. */
  readonly writeTimeout: Duration.Input
  /** Connections that were idle this long are checked in the background, as often. */
  readonly idleCheck: Duration.Input
  /** Failed attempts in a row after which callers are refused at once. */
  readonly circuitFailures: number
  /** Longest pause between two attempts to reconnect; the first is 250 ms. */
  readonly reconnectPause: Duration.Input
  /** Commands per second at most; absent = without limit. */
  readonly execsPerSecond?: number
}

export const defaultSshPoolConfig: SshPoolConfig = {
  connections: 4,
  connectTimeout: "10 seconds",
  readTimeout: "20 seconds",
  writeTimeout: "60 seconds",
  idleCheck: "30 seconds",
  circuitFailures: 3,
  reconnectPause: "10 seconds"
}

/** Which time limit a script gets. */
export type Limit = "read" | "write"

/**
 * Runs scripts on the appliance over a few SSH connections: each takes one at a time, callers wait in order of arrival.
 * Connections are opened when needed and kept; one is kept open in the background from the start, with reconnects for
 * ever, so that a process starts and stays up without its appliance. Each new one is probed ({@link probe}). A
 * connection whose command was interrupted or gave no answer is closed, since RouterOS may still be busy with it.
 */
export class SshPool extends Context.Service<SshPool, {
  /** Runs one script and answers what it reported. Not retried. */
  readonly run: (script: RosScript, limit: Limit) => Effect.Effect<Facts, ExecError>
  /** No I/O. */
  readonly state: Effect.Effect<ConnectionState>
  /** The present state first, then each new one. Never ends. */
  readonly states: Stream.Stream<ConnectionState>
}>()("rds-csi/rds/SshPool") {
  static readonly layer = (config: SshPoolConfig) =>
    Layer.effect(SshPool, make(config)).pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreMemory)
    )
}

const make = Effect.fnUntraced(function*(config: SshPoolConfig) {
  const transport = yield* SshTransport
  const health = yield* makeConnectionHealth(transport.address, config.circuitFailures)
  const connections = yield* makeConnections(transport, health, config.connectTimeout)
  const throttle = yield* makeThrottle(config.execsPerSecond)
  const permits = yield* Semaphore.make(config.connections)

  const refuseIfDown = Effect.flatMap(
    health.refusal,
    Option.match({ onNone: () => Effect.void, onSome: (error) => Effect.fail(error) })
  )

  // RouterOS may take fewer connections than configured (`max-sessions`): then those that are open serve everyone,
  // until the next check of idle ones.
  const isCrowded = (error: ExecError) =>
    error._tag === "ApplianceUnavailable" && error.reason === "unreachable" && connections.count() > 0
  const shareOpenOnes = Effect.suspend(() => permits.resize(Math.max(connections.count(), 1)))

  const run = Effect.fn("SshPool.run")(function*(script: RosScript, limit: Limit) {
    yield* refuseIfDown
    yield* throttle
    const duration = limit === "read" ? config.readTimeout : config.writeTimeout
    // Asked again when its turn has come: the appliance may have been found dead meanwhile.
    const once = permits.withPermit(
      connections.use((session) => exec(session, script, duration), refuseIfDown)
    )
    return yield* Effect.catchIf(once, isCrowded, () => Effect.andThen(shareOpenOnes, once))
  })

  const reconnect = permits.withPermit(connections.openFirst).pipe(
    measured({ total: rdsReconnectTotal, seconds: rdsReconnectDurationSeconds }),
    Effect.retry(backoff(config.reconnectPause))
  )
  yield* health.awaitDown.pipe(Effect.andThen(reconnect), Effect.forever, Effect.forkScoped)

  const checkIdle = Effect.gen(function*() {
    yield* permits.resize(config.connections)
    const since = (yield* Clock.currentTimeMillis) - Duration.toMillis(config.idleCheck)
    const check = connections.useIdle(since, (session) => exec(session, ros`:put 1`, config.connectTimeout))
    yield* Effect.forEach(check, (one) => Effect.ignore(permits.withPermitsIfAvailable(1)(one)), { discard: true })
  })
  yield* checkIdle.pipe(Effect.repeat(Schedule.spaced(config.idleCheck)), Effect.forkScoped)

  return SshPool.of({ run, state: health.state, states: health.states })
})

/** Up to ±20 % jitter, then the cap; never ends. */
const backoff = (cap: Duration.Input) =>
  Schedule.min([Schedule.exponential("250 millis").pipe(Schedule.jittered), Schedule.spaced(cap)])

/** Waits for its turn when there is a limit. */
const makeThrottle = (execsPerSecond: number | undefined) =>
  Effect.map(
    RateLimiter.RateLimiter,
    (limiter) =>
      execsPerSecond === undefined ? Effect.void : RateLimiter.sleep(limiter, {
        key: "appliance",
        limit: execsPerSecond,
        window: "1 second",
        algorithm: "token-bucket"
      }).pipe(Effect.orDie, Effect.asVoid)
  )
