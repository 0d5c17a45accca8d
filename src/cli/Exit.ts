import { Cause, Console, Data, Effect, Exit, type Result, Runtime } from "effect"
import { CliError, CliOutput } from "effect/cli"

/** sysexits(3): the command line was wrong. */
const EX_USAGE = 64
/** sysexits(3): something the process needs, such as its address, is not to be had. */
const EX_UNAVAILABLE = 69
/** sysexits(3): a configuration value or file was wrong. */
const EX_CONFIG = 78

/** The configuration cannot work. Ends the process with exit code 78 and `message` as one line on stderr. */
export class Misconfigured extends Data.TaggedError("Misconfigured")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = EX_CONFIG
  override readonly [Runtime.errorReported] = false
  override readonly [CliError.userMessage] = this.message
}

/** The process cannot serve where it was told to. Ends it with exit code 69 and `message` as one line on stderr. */
export class CannotServe extends Data.TaggedError("CannotServe")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = EX_UNAVAILABLE
  override readonly [Runtime.errorReported] = false
  override readonly [CliError.userMessage] = this.message
}

/** What the command has to talk to does not answer, or not to it. Ends it with exit code 69 and `message` as one line on stderr. */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = EX_UNAVAILABLE
  override readonly [Runtime.errorReported] = false
  override readonly [CliError.userMessage] = this.message
}

/** The command did not do all that it was asked for. Ends it with exit code 1 and `message` as one line on stderr. */
export class NotDone extends Data.TaggedError("NotDone")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
  override readonly [CliError.userMessage] = this.message
}

/** The value of a setting, or {@link Misconfigured} with the reason why it cannot be used. */
export const configured = <A>(
  result: Result.Result<A, { readonly message: string }>
): Effect.Effect<A, Misconfigured> =>
  Effect.mapError(Effect.fromResult(result), ({ message }) => new Misconfigured({ message }))

/** Help goes to stdout when it was asked for; a wrong command line gets one line on stderr, not a page of help. */
export const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(event.errors, (error) => {
        const command = event.commandPath.join(" ")
        const [line] = error.message.split("\n")
        return Console.error(`${command}: ${line} (see: ${command} --help)`)
      }, { discard: true })
      : CliOutput.defaultPresenter.present(event)
}

/** Errors of the process as one line, where Effect's own formatter writes a heading above them. */
export const formatter: CliOutput.Formatter = {
  ...CliOutput.defaultFormatter({ colors: process.stdout.isTTY && process.env.NO_COLOR === undefined }),
  formatError: (error) => `rds-csi: ${error.message}`
}

/**
 * Exit codes of the process: 0 after SIGTERM or SIGINT (a graceful stop is not a failure to a supervisor), 64 for a wrong
 * command line, 78 for a wrong configuration, 69 when the process cannot listen where it was told to or cannot reach what it works on, 1 for
 * anything else.
 */
export const teardown: Runtime.Teardown = (exit, done) => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return done(0)
  const usage = exit.cause.reasons.some((reason) =>
    Cause.isFailReason(reason) && CliError.isCliError(reason.error) && reason.error._tag === "ShowHelp" &&
    reason.error.errors.length > 0
  )
  return usage ? done(EX_USAGE) : Runtime.defaultTeardown(exit, done)
}
