import { Cause, Clock, Duration, Effect, Exit, Metric, Option, Random } from "effect"
import { rdsSshExecDurationSeconds, rdsSshExecsTotal, secondsBetween } from "../observability/Metrics.ts"
import { type Outcome, verdict, wrap } from "./Envelope.ts"
import {
  ApplianceAuthFailed,
  ApplianceRefused,
  ApplianceUnavailable,
  ApplianceUnsupported,
  ScriptFailed
} from "./Errors.ts"
import { type Facts, fromLines } from "./Facts.ts"
import { render, type RosScript } from "./RouterOs.ts"
import type { SshSession } from "./SshTransport.ts"

/**
 * How talking to the appliance may fail. `ApplianceUnavailable` of reason `lost` or `timeout` leaves the outcome
 * unknown.
 */
export type ConnectError = ApplianceUnavailable | ApplianceUnsupported | ApplianceAuthFailed | ApplianceRefused

/** How running a script may fail. */
export type ExecError = ConnectError | ScriptFailed

/** Runs one script on the session, in at most `limit`, and answers what it reported. Counted and timed. */
export const exec = Effect.fnUntraced(
  function*(session: SshSession, script: RosScript, limit: Duration.Input): Effect.fn.Return<Facts, ExecError> {
    const nonce = yield* makeNonce
    const line = yield* Effect.mapError(
      Effect.fromResult(render(wrap(script, nonce))),
      ({ message }) => new ApplianceRefused({ message: `this cannot be written in a RouterOS command: ${message}` })
    )
    const output = yield* Effect.timeoutOrElse(session.exec(line), {
      duration: limit,
      orElse: () => Effect.fail(timedOut(limit))
    })
    return yield* judge(verdict(output, nonce))
  },
  (self) =>
    Effect.flatMap(Clock.currentTimeNanos, (start) =>
      Effect.onExit(self, (exit) =>
        Effect.gen(function*() {
          yield* Metric.update(Metric.withAttributes(rdsSshExecsTotal, { outcome: outcomeOf(exit) }), 1)
          yield* Metric.update(rdsSshExecDurationSeconds, secondsBetween(start, yield* Clock.currentTimeNanos))
        })))
)

// Unguessable is not needed, only that no name or comment on the appliance equals it by chance.
const makeNonce = Effect.map(Random.nextIntBetween(0, 2 ** 48), (n) => `r${n.toString(36).padStart(10, "0")}`)

const judge = (outcome: Outcome): Effect.Effect<Facts, ExecError> => {
  switch (outcome._tag) {
    case "Done":
      return Option.match(fromLines(outcome.lines, outcome.labels), {
        onNone: () => Effect.fail(lost),
        onSome: Effect.succeed
      })
    case "Failed":
      return Effect.fail(isDenial(outcome.text) ? denied : new ScriptFailed({ text: outcome.text }))
    case "NotUnderstood":
      return Effect.fail(isDenial(outcome.text) ? denied : notUnderstood(outcome.text))
    case "Unknown":
      return Effect.fail(lost)
  }
}

const isDenial = (text: string) => /not enough permissions|not permitted/i.test(text)

const denied = new ApplianceAuthFailed({
  message:
    "the appliance's user lacks a permission: its group needs the policies ssh, read, write and test, and ftp if " +
    "that is not enough to remove files"
})

const notUnderstood = (text: string) =>
  new ApplianceUnsupported({
    message:
      `the appliance does not know a command that this driver needs (${text}): RouterOS 7.21 or newer with the ` +
      "rose-storage package is required"
  })

const lost = new ApplianceUnavailable({
  reason: "lost",
  message: "the connection to the appliance broke before it answered, so the outcome is unknown; a retry finds out"
})

const timedOut = (limit: Duration.Input) =>
  new ApplianceUnavailable({
    reason: "timeout",
    message:
      `the appliance did not answer within ${Duration.format(Duration.fromInputUnsafe(limit))}, so the outcome ` +
      "is unknown; a retry finds out"
  })

const outcomeOf = (exit: Exit.Exit<Facts, ExecError>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") return "defect"
  return error.value._tag === "ApplianceUnavailable" ? error.value.reason : "error"
}
