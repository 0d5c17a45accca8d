import { Effect } from "effect"
import { RosError } from "../../menu/Menu.ts"
import { type Failure, Return, Terminated } from "../Frame.ts"
import { parseTime } from "../Literal.ts"
import { bool, nothing, str, type Value } from "../Value.ts"
import {
  argument,
  blockArgument,
  builtin,
  invalidArgument,
  namesArgument,
  numberArgument,
  optional,
  required,
  runArgument,
  textArgument
} from "./Builtin.ts"

/** Answers whether there was an error; the message is in the variable, as text. */
const onerror = builtin(
  "onerror",
  [required("error", "bind"), required("in", "block"), optional("do", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const [name = ""] = namesArgument(invocation, "error")
    return yield* runArgument(invocation, "in").pipe(
      Effect.as(bool(false)),
      Effect.catchTag(
        "RosError",
        ({ message }) => Effect.as(runArgument(invocation, "do", new Map([[name, str(message)]])), bool(true))
      )
    )
  })
)

const error = builtin(
  "error",
  [required("message")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const text = yield* textArgument(invocation, "message")
    return yield* new RosError({ message: `${text} (:error; line ${invocation.command.position.line})` })
  })
)

/** Nanoseconds of an interval; a bare number counts seconds. */
const nanoseconds = (value: Value): bigint | undefined => {
  if (value._tag === "Time") return value.nanos
  if (value._tag === "Num") return value.value * 1_000_000_000n
  return value._tag === "Str" ? parseTime(value.value) : undefined
}

const pause = (value: Value, name: string): Effect.Effect<void, RosError> => {
  const nanos = nanoseconds(value)
  return nanos === undefined ? invalidArgument(name) : Effect.sleep(Number(nanos) / 1e6)
}

/**
 * Runs the command until it succeeds, at most `max` times; then `on-error`, or the last error. `max=0` runs nothing.
 */
const retry = builtin(
  "retry",
  [required("command", "block"), required("delay"), required("max"), optional("on-error", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const max = (yield* numberArgument(invocation, "max")) ?? 0n
    const delay = yield* argument(invocation, "delay")
    for (let attempt = 1n; attempt <= max; attempt++) {
      const last = yield* runArgument(invocation, "command").pipe(
        Effect.as(undefined),
        Effect.catchTag("RosError", (failure) => Effect.succeed(failure))
      )
      if (last === undefined) return nothing
      if (attempt < max) yield* pause(delay, "delay")
      else if (blockArgument(invocation, "on-error") === undefined) return yield* last
      else yield* runArgument(invocation, "on-error")
    }
    return nothing
  })
)

const returnCommand = builtin(
  "return",
  [required("value")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    return yield* new Return({ value: yield* argument(invocation, "value") })
  })
)

const delay = builtin(
  "delay",
  [required("delay-time")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    yield* pause(yield* argument(invocation, "delay-time"), "delay-time")
    return nothing
  })
)

const exit = () => Effect.fail(new Terminated({ message: undefined }))

export const errors = [
  onerror,
  error,
  retry,
  returnCommand,
  delay,
  builtin("exit", [], exit),
  builtin("quit", [], exit)
]
