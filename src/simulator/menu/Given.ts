import { Effect } from "effect"
import type { Invocation } from "../language/Command.ts"
import { computed, evaluate } from "../language/Evaluator.ts"
import type { Failure } from "../language/Frame.ts"
import { str, type Value } from "../language/Value.ts"
import type { Arguments } from "./Menu.ts"

/** The arguments of a menu's command, each as the type of its parameter; one taken away with `!` is empty text. */
export const given = Effect.fnUntraced(function*(
  { command, frame }: Invocation
): Effect.fn.Return<Arguments, Failure> {
  const values = new Map<string, Value>()
  for (const { convert, name } of command.definition.parameters) {
    const argument = command.arguments.get(name)
    if (argument?._tag === "Unset") values.set(name, str(""))
    if (argument?._tag !== "Value" || convert === undefined) continue
    const { expression } = argument
    const word = expression._tag === "Literal" ? expression.word : undefined
    values.set(name, yield* computed(convert(yield* evaluate(expression, frame), word)))
  }
  return values
})
