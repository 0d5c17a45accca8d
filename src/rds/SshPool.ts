import { Clock, Context, Duration, Effect, Exit, Layer, Option, Schedule, Scope, Semaphore } from "effect"
import { RateLimiter } from "effect/persistence"
import { measured, rdsReconnectDurationSeconds, rdsReconnectTotal } from "../observability/Metrics.ts"
import { type ConnectionState, makeConnectionHealth } from "./ConnectionHealth.ts"
import { ApplianceUnavailable } from "./Errors.ts"
import { type ConnectError, exec, type ExecError } from "./Exec.ts"
import type { Facts } from "./Facts.ts"
import { probe } from "./Probe.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { type SshSession, SshTransport } from "./SshTransport.ts"

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

interface Connection {
  readonly session: SshSession
  readonly scope: Scope.Closeable
  /** Milliseconds since the epoch at which it last answered. */
  usedAt: number
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

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
}>()("rds-csi/rds/SshPool") {
  static readonly layer = (config: SshPoolConfig) =>
    Layer.effect(SshPool, make(config)).pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreMemory)
    )
}

const make = Effect.fnUntraced(function*(config: SshPoolConfig) {
  const { address, connect } = yield* SshTransport
  const poolScope = yield* Effect.scope
  const health = yield* makeConnectionHealth(address, config.circuitFailures)
  const throttle = yield* makeThrottle(config.execsPerSecond)
  const permits = yield* Semaphore.make(config.connections)
  const live = new Set<Connection>()
  const idle: Array<Connection> = []

  const drop = Effect.fnUntraced(function*(connection: Connection, reason: string) {
    if (!live.delete(connection)) return
    takeIdle(connection)
    yield* Scope.close(connection.scope, Exit.fail(reason))
    if (live.size === 0) yield* health.lost(reason)
  })

  const takeIdle = (connection: Connection) => {
    const at = idle.indexOf(connection)
    if (at >= 0) idle.splice(at, 1)
    return at >= 0
  }

  const open = Effect.fnUntraced(function*(restore: Restore) {
    const scope = yield* Scope.fork(poolScope)
    const attempt = connect.pipe(
      Effect.bindTo("session"),
      Effect.bind("version", ({ session }) => probe(session, config.connectTimeout)),
      Scope.provide(scope),
      Effect.timeoutOrElse({ duration: config.connectTimeout, orElse: () => Effect.fail(connectTimedOut) })
    )
    const exit = yield* Effect.exit(restore(attempt))
    if (Exit.isFailure(exit)) {
      yield* Scope.close(scope, exit)
      yield* Option.match(Exit.findErrorOption(exit), { onNone: () => Effect.void, onSome: health.failed })
      return yield* Effect.failCause(exit.cause)
    }
    const { session, version } = exit.value
    const connection: Connection = { session, scope, usedAt: yield* Clock.currentTimeMillis }
    live.add(connection)
    yield* health.opened(version)
    yield* session.closed.pipe(Effect.flatMap((reason) => drop(connection, reason)), Effect.forkIn(poolScope))
    return connection
  })

  const giveBack = Effect.fnUntraced(function*<A>(connection: Connection, exit: Exit.Exit<A, ExecError>) {
    if (!hasAnswered(exit)) return yield* drop(connection, "a command on it was not answered")
    connection.usedAt = yield* Clock.currentTimeMillis
    if (live.has(connection)) idle.push(connection)
  })

  /** Uses a connection alone; nothing between taking it and giving it back can be interrupted but `take` and `use`. */
  const lease = <A, E>(
    take: (restore: Restore) => Effect.Effect<Connection, E>,
    use: (session: SshSession) => Effect.Effect<A, ExecError>
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        take(restore),
        (connection) => restore(use(connection.session)).pipe(Effect.onExit((exit) => giveBack(connection, exit)))
      )
    )

  const refuseIfDown = Effect.flatMap(
    health.refusal,
    Option.match({ onNone: () => Effect.void, onSome: (error) => Effect.fail(error) })
  )

  // The most recently used connection first: it is the least likely to be dead.
  const take = (restore: Restore) =>
    Effect.suspend(() => {
      const connection = idle.pop()
      return connection === undefined ? Effect.andThen(refuseIfDown, open(restore)) : Effect.succeed(connection)
    })

  // RouterOS may take fewer connections than configured (`max-sessions`): then those that are open serve everyone, until
  // the next check of idle ones.
  const isCrowded = (error: ExecError) =>
    error._tag === "ApplianceUnavailable" && error.reason === "unreachable" && live.size > 0
  const shareOpenOnes = Effect.suspend(() => permits.resize(Math.max(live.size, 1)))

  const run = Effect.fn("SshPool.run")(function*(script: RosScript, limit: Limit) {
    yield* refuseIfDown
    yield* throttle
    const duration = limit === "read" ? config.readTimeout : config.writeTimeout
    const once = permits.withPermit(lease(take, (session) => exec(session, script, duration)))
    return yield* Effect.catchIf(once, isCrowded, () => Effect.andThen(shareOpenOnes, once))
  })

  const reconnect = permits.withPermit(
    Effect.suspend(() => live.size > 0 ? Effect.void : lease(open, () => Effect.void))
  )
  yield* health.awaitDown.pipe(
    Effect.andThen(
      reconnect.pipe(
        measured({ total: rdsReconnectTotal, seconds: rdsReconnectDurationSeconds }),
        Effect.retry(backoff(config.reconnectPause))
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  const checkIdle = Effect.gen(function*() {
    yield* permits.resize(config.connections)
    const since = (yield* Clock.currentTimeMillis) - Duration.toMillis(config.idleCheck)
    yield* Effect.forEach(
      idle.filter(({ usedAt }) => usedAt <= since),
      (connection) =>
        permits.withPermitsIfAvailable(1)(
          Effect.suspend(() =>
            takeIdle(connection)
              ? lease(() => Effect.succeed(connection), (session) => exec(session, ros`:put 1`, config.connectTimeout))
              : Effect.void
          )
        ).pipe(Effect.ignore),
      { discard: true }
    )
  })
  yield* checkIdle.pipe(Effect.repeat(Schedule.spaced(config.idleCheck)), Effect.forkScoped)

  return SshPool.of({ run, state: health.state })
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

/** Whether RouterOS is done with the command, so that the connection is free again. */
const hasAnswered = (exit: Exit.Exit<unknown, ExecError>): boolean =>
  Exit.isSuccess(exit) ||
  Option.exists(Exit.findErrorOption(exit), (error: ExecError) => error._tag !== "ApplianceUnavailable")

const connectTimedOut: ConnectError = new ApplianceUnavailable({
  reason: "unreachable",
  message: "the appliance cannot be reached (no answer in time); the driver keeps trying"
})
