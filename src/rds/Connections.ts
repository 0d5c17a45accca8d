import { Clock, type Duration, Effect, Exit, Option, Scope } from "effect"
import type { ConnectionHealth } from "./ConnectionHealth.ts"
import { ApplianceUnavailable } from "./Errors.ts"
import type { ConnectError, ExecError } from "./Exec.ts"
import { probe } from "./Probe.ts"
import type { SshSession, SshTransport } from "./SshTransport.ts"

interface Connection {
  readonly session: SshSession
  readonly scope: Scope.Closeable
  /** Milliseconds since the epoch at which it last answered. */
  usedAt: number
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
type Use<A> = (session: SshSession) => Effect.Effect<A, ExecError>

/**
 * The open connections of a scope. Each is probed when it is opened and used by one caller at a time; one whose command
 * was interrupted or gave no answer is closed, since RouterOS may still be busy with it. How many are used at a time is
 * the caller's to limit.
 */
export const makeConnections = Effect.fnUntraced(function*(
  { connect }: SshTransport["Service"],
  health: ConnectionHealth,
  connectTimeout: Duration.Input
) {
  const parent = yield* Effect.scope
  const live = new Set<Connection>()
  const idle: Array<Connection> = []

  const takeIdle = (connection: Connection) => {
    const at = idle.indexOf(connection)
    if (at >= 0) idle.splice(at, 1)
    return at >= 0
  }

  const drop = Effect.fnUntraced(function*(connection: Connection, reason: string) {
    if (!live.delete(connection)) return
    takeIdle(connection)
    yield* Scope.close(connection.scope, Exit.fail(reason))
    if (live.size === 0) yield* health.lost(reason)
  })

  const attempt = connect.pipe(
    Effect.bindTo("session"),
    Effect.bind("version", ({ session }) => probe(session, connectTimeout)),
    Effect.timeoutOrElse({ duration: connectTimeout, orElse: () => Effect.fail(timedOut) })
  )

  const open = Effect.fnUntraced(function*(restore: Restore) {
    const scope = yield* Scope.fork(parent)
    const exit = yield* Effect.exit(restore(Scope.provide(attempt, scope)))
    if (Exit.isFailure(exit)) {
      yield* Scope.close(scope, exit)
      yield* Option.match(Exit.findErrorOption(exit), { onNone: () => Effect.void, onSome: health.failed })
      return yield* Effect.failCause(exit.cause)
    }
    const { session, version } = exit.value
    const connection: Connection = { session, scope, usedAt: yield* Clock.currentTimeMillis }
    live.add(connection)
    yield* health.opened(version)
    yield* session.closed.pipe(Effect.flatMap((reason) => drop(connection, reason)), Effect.forkIn(parent))
    return connection
  })

  const giveBack = Effect.fnUntraced(function*(connection: Connection, exit: Exit.Exit<unknown, ExecError>) {
    if (!hasAnswered(exit)) return yield* drop(connection, "a command on it was not answered")
    connection.usedAt = yield* Clock.currentTimeMillis
    if (live.has(connection)) idle.push(connection)
  })

  /**
   * Nothing between taking a connection and giving it back can be interrupted but the opening and the use themselves.
   */
  const lease = <A>(take: (restore: Restore) => Effect.Effect<Connection, ConnectError>, use: Use<A>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        take(restore),
        (connection) => restore(use(connection.session)).pipe(Effect.onExit((exit) => giveBack(connection, exit)))
      )
    )

  return {
    count: () => live.size,

    /**
     * On an idle connection, the most recently used first, as it is the least likely to be dead; or on a new one, if
     * `mayOpen`.
     */
    use: <A>(use: Use<A>, mayOpen: Effect.Effect<void, ConnectError>): Effect.Effect<A, ExecError> =>
      lease((restore) =>
        Effect.suspend(() => {
          const connection = idle.pop()
          return connection === undefined ? Effect.andThen(mayOpen, open(restore)) : Effect.succeed(connection)
        }), use),

    /** On each connection that has been idle since then, unless it is taken before its turn comes. */
    useIdle: <A>(since: number, use: Use<A>): ReadonlyArray<Effect.Effect<void, ExecError>> =>
      idle.filter(({ usedAt }) => usedAt <= since).map((connection) =>
        Effect.suspend(() =>
          takeIdle(connection) ? Effect.asVoid(lease(() => Effect.succeed(connection), use)) : Effect.void
        )
      ),

    /** Opens one if there is none. */
    openFirst: Effect.suspend(() => live.size > 0 ? Effect.void : lease(open, () => Effect.void))
  }
})

/** Whether RouterOS is done with the command, so that the connection is free again. */
const hasAnswered = (exit: Exit.Exit<unknown, ExecError>): boolean =>
  Exit.isSuccess(exit) ||
  Option.exists(Exit.findErrorOption(exit), (error: ExecError) => error._tag !== "ApplianceUnavailable")

const timedOut = new ApplianceUnavailable({
  reason: "unreachable",
  message: "the appliance cannot be reached (no answer in time); the driver keeps trying"
})
