import { Effect } from "effect"
import { RosError } from "../../menu/Menu.ts"
import type { Invocation, Parameter } from "../Command.ts"
import { computed } from "../Evaluator.ts"
import { type Failure, LoopControl } from "../Frame.ts"
import { truth } from "../Operators.ts"
import { isAbsent, nothing, num, str, type Value } from "../Value.ts"
import {
  argument,
  blockArgument,
  builtin,
  invalidArgument,
  named,
  namesArgument,
  numberArgument,
  required,
  runArgument
} from "./Builtin.ts"

/** A condition must be a boolean or a number: text and absent values stop the script. */
const condition = Effect.fnUntraced(function*(
  invocation: Invocation,
  name: string
): Effect.fn.Return<boolean, Failure> {
  const value = yield* argument(invocation, name)
  if (isAbsent(value)) return yield* new RosError({ message: "conditional is not boolean" })
  return yield* computed(truth(value))
})

/** One turn of a loop; answers whether the loop goes on. */
const turn = (invocation: Invocation, body: string, bindings?: ReadonlyMap<string, Value>) =>
  Effect.andThen(invocation.frame.machine.step, runArgument(invocation, body, bindings)).pipe(
    Effect.as(true),
    Effect.catchTag("LoopControl", ({ kind }) => Effect.succeed(kind === "continue"))
  )

const ifCommand = builtin(
  "if",
  [required("condition"), named("do", "block"), named("else", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    yield* runArgument(invocation, (yield* condition(invocation, "condition")) ? "do" : "else")
    return nothing
  })
)

const whileCommand = builtin(
  "while",
  [required("condition"), named("do", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    while ((yield* condition(invocation, "condition")) && (yield* turn(invocation, "do"))) continue
    return nothing
  })
)

const doLoop = Effect.fnUntraced(function*(invocation: Invocation): Effect.fn.Return<Value, Failure> {
  if (!invocation.command.arguments.has("while")) {
    yield* runArgument(invocation, "command")
    return nothing
  }
  while ((yield* turn(invocation, "command")) && (yield* condition(invocation, "while"))) continue
  return nothing
})

/** `on-error` catches what the block and its `while` raise, and ends the loop. */
const doCommand = builtin(
  "do",
  [required("command", "block"), named("while"), named("on-error", "block")],
  (invocation) =>
    blockArgument(invocation, "on-error") === undefined ? doLoop(invocation) : doLoop(invocation).pipe(
      Effect.catchTag("RosError", () => Effect.as(runArgument(invocation, "on-error"), nothing))
    )
)

const from: Parameter = { ...named("from"), required: true }
const to: Parameter = { ...named("to"), required: true }

/** Both ends belong to the range. It runs from `from` towards `to`, whatever the sign of `step`. */
const forCommand = builtin(
  "for",
  [required("counter", "bind"), from, to, named("step"), named("do", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const [name = ""] = namesArgument(invocation, "counter")
    const first = yield* numberArgument(invocation, "from")
    const last = yield* numberArgument(invocation, "to")
    const given = (yield* numberArgument(invocation, "step")) ?? 1n
    if (first === undefined) return yield* invalidArgument("from")
    if (last === undefined) return yield* invalidArgument("to")
    const size = given < 0n ? -given : given
    const step = first <= last ? size : -size
    for (let i = first; first <= last ? i <= last : i >= last; i += step) {
      if (!(yield* turn(invocation, "do", new Map([[name, num(i)]])))) break
    }
    return nothing
  })
)

/** With one name the elements, with two the index or key as well. What is no array counts as its only element. */
const foreachCommand = builtin(
  "foreach",
  [required("counter", "bind"), { ...named("in"), required: true }, named("do", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const [first = "", second] = namesArgument(invocation, "counter")
    for (const [key, value] of pairs(yield* argument(invocation, "in"))) {
      const bindings = second === undefined ? [[first, value]] as const : [[first, key], [second, value]] as const
      if (!(yield* turn(invocation, "do", new Map(bindings)))) break
    }
    return nothing
  })
)

const pairs = (value: Value): ReadonlyArray<readonly [Value, Value]> => {
  if (isAbsent(value)) return []
  if (value._tag !== "List") return [[num(0), value]]
  return [
    ...value.items.map((item, index) => [num(index), item] as const),
    ...[...value.keyed].map(([key, item]) => [str(key), item] as const)
  ]
}

export const control = [
  ifCommand,
  whileCommand,
  doCommand,
  forCommand,
  foreachCommand,
  builtin("break", [], () => Effect.fail(new LoopControl({ kind: "break" }))),
  builtin("continue", [], () => Effect.fail(new LoopControl({ kind: "continue" })))
]
