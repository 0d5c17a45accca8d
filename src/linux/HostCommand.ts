import { Context, Duration, Effect, Layer, Schema } from "effect"
import { type Running, start } from "./ProcessGroup.ts"

/** How long a program may take. */
export interface CommandOptions {
  readonly limit: Duration.Input
}

/** How a program ended by itself. Of each stream the first 64 KiB. */
export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * A program could not be started, was killed by a signal, or ran into its limit: what it did is unknown. The message is fit
 * for a gRPC status.
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  program: Schema.String,
  message: Schema.String,
  timedOut: Schema.Boolean
}) {}

/**
 * Programs of the host's administration (mount, mkfs, nvme, …), run without a shell, in the C locale with nothing to read, and with
 * nothing else of this process's environment than its PATH.
 */
export class HostCommand extends Context.Service<HostCommand, {
  /**
   * Runs the program to its end; any exit code is a result. Every run is a process group of its own. At the limit, and when
   * the caller is interrupted, the whole group gets SIGTERM and 2 s later SIGKILL. A process that survives even that, in an
   * uninterruptible sleep of the kernel, is left behind and counted, never waited for.
   */
  run(
    program: string,
    args: ReadonlyArray<string>,
    options: CommandOptions
  ): Effect.Effect<CommandResult, CommandFailed>
}>()("rds-csi/linux/HostCommand") {
  /** Real processes. */
  static readonly layer = Layer.succeed(HostCommand, {
    run: Effect.fn("HostCommand.run")((
      program: string,
      args: ReadonlyArray<string>,
      { limit }: CommandOptions
    ) =>
      Effect.acquireUseRelease(
        start(program, args),
        (running) => ended(program, running, limit),
        (running) => running.stop
      ).pipe(Effect.catchTag("StartFailed", ({ message }) => Effect.fail(failure(program, message))))
    )
  })
}

const ended = Effect.fnUntraced(function*(program: string, running: Running, limit: Duration.Input) {
  const ending = yield* Effect.timeoutOrElse(running.ending, {
    duration: limit,
    orElse: () => Effect.fail(overdue(program, limit))
  })
  if (ending._tag === "Killed") return yield* failure(program, `was killed by ${ending.signal}`)
  const { code, stdout, stderr } = ending
  return { code, stdout, stderr }
})

const overdue = (program: string, limit: Duration.Input) => {
  const message = `${program} did not end within ${Duration.format(Duration.fromInputUnsafe(limit))} and was stopped`
  return new CommandFailed({ program, message, timedOut: true })
}

const failure = (program: string, problem: string) =>
  new CommandFailed({ program, message: `${program} ${problem}`, timedOut: false })
