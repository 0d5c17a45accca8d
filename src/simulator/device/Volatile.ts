import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { Value } from "../language/Value.ts"

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** e.g. `system,info,account`. */
  readonly topics: string
  readonly message: string
}

/** What runs for a user, as /system/script/job lists it. */
export interface Job {
  readonly number: number
  /** `login`: a connection; `command`: a script. */
  readonly type: "command" | "login"
  /** Name of the script; undefined for a login and for the text of `:execute`. */
  readonly script: string | undefined
  readonly owner: string
  readonly policies: ReadonlyArray<string>
  /** The job that it was started from. */
  readonly parent: number | undefined
  readonly since: number
  /** Ends it; answers when it has ended. */
  readonly stop: Effect.Effect<void>
}

/** How often a script ran, and when last. */
export interface Runs {
  readonly count: number
  readonly last: number
}

/** A connection that has logged in. */
export interface Login {
  readonly number: number
  readonly user: string
  readonly address: string
  readonly since: number
  readonly job: number
  /** Drops the connection. */
  readonly close: Effect.Effect<void>
}

/** How many lines the log in memory keeps (RouterOS manual, Log: memory-lines). */
const logLines = 1000

/** What a reboot forgets: uptime, log in memory, logins, jobs and runs of scripts, their global variables. */
export class Volatile extends Context.Service<Volatile, {
  readonly uptime: Effect.Effect<Duration.Duration>
  log(topics: string, message: string): Effect.Effect<void>
  readonly lines: Effect.Effect<ReadonlyArray<LogLine>>
  readonly logins: Effect.Effect<ReadonlyArray<Login>>
  /** A login, which is a job as well. */
  open(login: Omit<Login, "since" | "job">): Effect.Effect<void>
  close(number: number): Effect.Effect<void>
  readonly jobs: Effect.Effect<ReadonlyArray<Job>>
  /** Lists a job; answers its number, which the device gives again after a reboot. */
  beginJob(job: Omit<Job, "number" | "since">): Effect.Effect<number>
  endJob(number: number): Effect.Effect<void>
  /** Runs of a script by its id. */
  readonly runs: Effect.Effect<ReadonlyMap<number, Runs>>
  noteRun(script: number): Effect.Effect<void>
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
        jobs: new Map<number, Job>(),
        nextJob: 1,
        runs: new Map<number, Runs>(),
        globals: new Map<string, Value>()
      }))
      let memory = yield* fresh
      const beginJob = (job: Omit<Job, "number" | "since">) =>
        Effect.map(Clock.currentTimeMillis, (since) => {
          const number = memory.nextJob
          memory.nextJob += 1
          memory.jobs.set(number, { ...job, number, since })
          return number
        })
      return Volatile.of({
        uptime: Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(now - memory.bootedAt)),
        log: (topics, message) =>
          Effect.map(Clock.currentTimeMillis, (at) => {
            memory.lines.push({ at, topics, message })
            if (memory.lines.length > logLines) memory.lines.shift()
          }),
        lines: Effect.sync(() => [...memory.lines]),
        logins: Effect.sync(() => [...memory.logins.values()]),
        open: Effect.fnUntraced(function*(login) {
          const { close: stop, user: owner } = login
          const job = yield* beginJob({
            type: "login",
            script: undefined,
            owner,
            policies: [],
            parent: undefined,
            stop
          })
          memory.logins.set(login.number, { ...login, job, since: yield* Clock.currentTimeMillis })
        }),
        close: (number) =>
          Effect.sync(() => {
            memory.jobs.delete(memory.logins.get(number)?.job ?? 0)
            memory.logins.delete(number)
          }),
        jobs: Effect.sync(() => [...memory.jobs.values()]),
        beginJob,
        endJob: (number) =>
          Effect.sync(() => {
            memory.jobs.delete(number)
          }),
        runs: Effect.sync(() => memory.runs),
        noteRun: (script) =>
          Effect.map(Clock.currentTimeMillis, (last) => {
            memory.runs.set(script, { count: (memory.runs.get(script)?.count ?? 0) + 1, last })
          }),
        globals: Effect.sync(() => memory.globals),
        clear: Effect.map(fresh, (empty) => {
          memory = empty
        })
      })
    })
  )
}
