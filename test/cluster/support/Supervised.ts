import { Effect, FileSystem, Ref, Schedule } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

export interface SupervisedOptions {
  /** Of its log and the file with its process id. */
  readonly name: string
  readonly directory: string
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env?: Readonly<Record<string, string>>
}

/** A directory for processes. It goes with the scope, unless somebody wants to read what they have logged. */
export const workDirectory = Effect.fnUntraced(function*(name: string) {
  const files = yield* FileSystem.FileSystem
  const kept = process.env["KEEP_LOGS"]
  if (kept === undefined) return yield* files.makeTempDirectoryScoped({ prefix: `rds-csi-${name}-` })
  yield* files.makeDirectory(kept, { recursive: true })
  return yield* files.makeTempDirectory({ directory: kept, prefix: `${name}-` })
})

const pidFile = (directory: string, name: string) => `${directory}/${name}.pid`

/** How soon it is started again. Kubelet begins with ten seconds, which no test has to wait for. */
const pause = "200 millis"

/** Of a process that somebody else supervises. */
export const processId = Effect.fnUntraced(function*(directory: string, name: string) {
  const files = yield* FileSystem.FileSystem
  return Number(yield* files.readFileString(pidFile(directory, name)))
})

/** Sends a signal to a process that somebody else supervises, as `process.kill` does; none if it just ended. */
export const signal = Effect.fnUntraced(function*(directory: string, name: string, what: NodeJS.Signals) {
  const pid = yield* processId(directory, name)
  yield* Effect.ignore(Effect.try(() => process.kill(pid, what)))
  return pid
})

/**
 * Starts a process, and starts it again whenever it ends, as kubelet does with a container. It ends with the scope, after
 * SIGTERM, or with this process.
 */
export const supervise = Effect.fnUntraced(function*({ command, directory, env = {}, name }: SupervisedOptions) {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const current = yield* Ref.make(0)
  const log = `${directory}/${name}.log`
  yield* files.writeFileString(log, "")

  const once = Effect.gen(function*() {
    const handle = yield* spawner.spawn(ChildProcess.make(
      "setpriv",
      ["--pdeathsig=KILL", "sh", "-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", log, ...command],
      { env, extendEnv: true, stdin: "ignore", stdout: "ignore", stderr: "ignore", forceKillAfter: "10 seconds" }
    ))
    yield* files.writeFileString(pidFile(directory, name), String(handle.pid))
    yield* Ref.set(current, handle.pid)
    yield* Effect.exit(handle.exitCode)
  })
  yield* Effect.scoped(once).pipe(Effect.orDie, Effect.repeat(Schedule.spaced(pause)), Effect.forkScoped)

  return {
    name,
    pid: Ref.get(current),
    /** It comes back by itself, if the signal ends it. */
    kill: (what: NodeJS.Signals) => signal(directory, name, what),
    log: files.readFileString(log)
  }
})
