import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { Value } from "../language/Value.ts"

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** e.g. `system,info,account`. */
  readonly topics: string
  readonly message: string
}

/** A connection that has logged in. */
export interface Login {
  readonly number: number
  readonly user: string
  readonly address: string
  readonly since: number
  /** Drops the connection. */
  readonly close: Effect.Effect<void>
}

/** How many lines the log in memory keeps (RouterOS manual, Log: memory-lines). */
const logLines = 1000

/** What a reboot forgets: uptime, log in memory, logins, global variables of scripts. */
export class Volatile extends Context.Service<Volatile, {
  readonly uptime: Effect.Effect<Duration.Duration>
  log(topics: string, message: string): Effect.Effect<void>
  readonly lines: Effect.Effect<ReadonlyArray<LogLine>>
  readonly logins: Effect.Effect<ReadonlyArray<Login>>
  open(login: Omit<Login, "since">): Effect.Effect<void>
  close(number: number): Effect.Effect<void>
  /** Global variables live on between sessions (RouterOS manual, Scripting: variables). */
  readonly globals: Effect.Effect<Map<string, Value>>
  /** Starts anew, as after power came back. */
  readonly clear: Effect.Effect<void>
}>()("rds-csi/simulator/device/Volatile") {
  static readonly layer = Layer.effect(
    Volatile,
    Effect.gen(function*() {
      const fresh = Effect.map(Clock.currentTimeMillis, (bootedAt) => ({
        bootedAt,
        lines: new Array<LogLine>(),
        logins: new Map<number, Login>(),
        globals: new Map<string, Value>()
      }))
      let memory = yield* fresh
      return Volatile.of({
        uptime: Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(now - memory.bootedAt)),
        log: (topics, message) =>
          Effect.map(Clock.currentTimeMillis, (at) => {
            memory.lines.push({ at, topics, message })
            if (memory.lines.length > logLines) memory.lines.shift()
          }),
        lines: Effect.sync(() => [...memory.lines]),
        logins: Effect.sync(() => [...memory.logins.values()]),
        open: (login) =>
          Effect.map(Clock.currentTimeMillis, (since) => {
            memory.logins.set(login.number, { ...login, since })
          }),
        close: (number) =>
          Effect.sync(() => {
            memory.logins.delete(number)
          }),
        globals: Effect.sync(() => memory.globals),
        clear: Effect.map(fresh, (empty) => {
          memory = empty
        })
      })
    })
  )
}
