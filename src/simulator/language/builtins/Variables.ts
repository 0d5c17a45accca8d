import { Effect } from "effect"
import type { Invocation } from "../Command.ts"
import { all } from "../Evaluator.ts"
import type { Failure } from "../Frame.ts"
import { withElement } from "../Operators.ts"
import { nothing, type Value } from "../Value.ts"
import { argument, builtin, namesArgument, optional, required } from "./Builtin.ts"

const assigned = (invocation: Invocation) =>
  argument(invocation, invocation.command.arguments.has("do") ? "do" : "value")

const local = builtin(
  "local",
  [required("name", "declare"), optional("value"), optional("do", "function")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const value = yield* assigned(invocation)
    for (const name of namesArgument(invocation, "name")) invocation.frame.scope.declareLocal(name, value)
    return nothing
  })
)

/** Without a value it only makes the device's variable of that name visible. */
const global = builtin(
  "global",
  [required("name", "declare"), optional("value"), optional("do", "function")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const { command, frame } = invocation
    const value = yield* assigned(invocation)
    for (const name of namesArgument(invocation, "name")) {
      frame.scope.declareGlobal(name)
      if (command.arguments.has("value") || command.arguments.has("do")) frame.scope.set(name, value)
    }
    return nothing
  })
)

/** Without a value the variable, or the element of the array, is gone. */
const set = builtin(
  "set",
  [required("name", "target"), optional("value"), optional("do", "function")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const { command, frame } = invocation
    const target = command.arguments.get("name")
    if (target?._tag !== "Target") return nothing
    const keys = yield* all(target.keys, frame)
    const value = yield* assigned(invocation)
    frame.scope.set(target.name, withElement(frame.scope.get(target.name), keys, value))
    return nothing
  })
)

export const variables = [local, global, set]
