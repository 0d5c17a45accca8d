import { Data, Deferred, type Duration, Effect, Exit, Metric, Schedule } from "effect"
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process"
import type { Readable } from "node:stream"
import { hostCommandsLeftTotal } from "../observability/Metrics.ts"

/** The program is not there, or may not be run. */
export class StartFailed extends Data.TaggedError("StartFailed")<{ readonly message: string }> {}

/** How the first process of a group ended. Of each stream the first 64 KiB. */
export type Ending =
  | { readonly _tag: "Exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly _tag: "Killed"; readonly signal: string }

/** A process group that was started. */
export interface Running {
  /** The end of its first process, once nobody has its output open any more. */
  readonly ending: Effect.Effect<Ending>
  /** Ends the group if that did not happen yet: SIGTERM, 2 s later SIGKILL. What survives even that is counted. */
  readonly stop: Effect.Effect<void>
}

/** Starts the program as the leader of a session and process group of its own. */
export const start = (
  program: string,
  args: ReadonlyArray<string>
): Effect.Effect<Running, StartFailed> =>
  Effect.callback((resume) => {
    const fail = (cause: unknown) => resume(new StartFailed({ message: `cannot be run: ${reasonOf(cause)}` }))
    try {
      const child = spawn(program, [...args], { detached: true, env: environment(), stdio: ["ignore", "pipe", "pipe"] })
      child.once("error", fail)
      const running = follow(program, child)
      child.once("spawn", () => resume(Effect.succeed(running)))
    } catch (cause) {
      // Some refusals are thrown: arguments that are too long or have a NUL in them, no file descriptors left for pipes.
      fail(cause)
    }
  })

const reasonOf = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

/** Gathers the output of the process, and notes its end. */
const follow = (program: string, child: ChildProcessByStdio<null, Readable, Readable>): Running => {
  const ending = Deferred.makeUnsafe<Ending>()
  const ended = () => Deferred.isDoneUnsafe(ending)
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  child.once("close", (code, signal) =>
    Deferred.doneUnsafe(
      ending,
      Exit.succeed(
        code === null
          ? { _tag: "Killed", signal: signal ?? "a signal" }
          : { _tag: "Exited", code, stdout: stdout(), stderr: stderr() }
      )
    ))
  return {
    ending: Deferred.await(ending),
    stop: Effect.suspend(() => ended() ? Effect.void : stop(program, child, ended))
  }
}

/** The administrator's directories come first, whatever this process was started with. */
const environment = () => ({ LC_ALL: "C", PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ""}` })

const outputLimit = 64 * 1024

/** Keeps the start of a stream and reads the rest, so that no writer blocks on a full pipe. */
const collect = (stream: Readable) => {
  const kept: Array<Buffer> = []
  let size = 0
  stream.on("data", (chunk: Buffer) => {
    if (size < outputLimit) kept.push(chunk.subarray(0, outputLimit - size))
    size += chunk.length
  })
  return () => Buffer.concat(kept).toString("utf8")
}

const stop = Effect.fnUntraced(function*(program: string, child: ChildProcess, ended: () => boolean) {
  signalGroup(child, "SIGTERM")
  yield* waitFor(ended, "2 seconds")
  // Also when the first process is gone: others of the group may have closed their output and ignore SIGTERM.
  signalGroup(child, "SIGKILL")
  if (yield* waitFor(ended, "1 second")) return
  for (const stream of child.stdio) stream?.destroy()
  child.unref()
  yield* Metric.update(hostCommandsLeftTotal, 1)
  yield* Effect.logWarning("a program cannot be killed and is left behind").pipe(
    Effect.annotateLogs({ program, pid: child.pid })
  )
})

const signalGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals) => {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}

/** Whether it came true in time. The schedule has the limit, since this runs where nothing can be interrupted. */
const waitFor = (condition: () => boolean, limit: Duration.Input) =>
  Effect.sync(condition).pipe(
    Effect.repeat({
      until: (holds) => holds,
      schedule: Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: limit }))
    }),
    Effect.andThen(Effect.sync(condition))
  )
