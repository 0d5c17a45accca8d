import { Effect, Result } from "effect"
import type { Invocation, Parameter } from "../Command.ts"
import { computed } from "../Evaluator.ts"
import type { Failure } from "../Frame.ts"
import { deserialize, type JsonOptions, serialize } from "../Json.ts"
import { toText } from "../Text.ts"
import { str, type Value } from "../Value.ts"
import { argument, builtin, required, textArgument } from "./Builtin.ts"

/** One word, or several as an array, all of them known; words are lower case only. */
const words = (name: string, known: ReadonlyArray<string>): Parameter => ({
  name,
  kind: "value",
  convert: (value) =>
    texts(value).every((word) => known.includes(word))
      ? Result.succeed(value)
      : Result.fail(`input does not match any value of ${name}`)
})

const texts = (value: Value) => value._tag === "List" ? value.items.map(toText) : [toText(value)]

const options = words("options", ["json.pretty", "json.no-string-conversion"])
const to = words("to", ["json"])
const from = words("from", ["json"])

const checked = Effect.fnUntraced(function*(
  invocation: Invocation,
  parameter: Parameter
): Effect.fn.Return<ReadonlyArray<string>, Failure> {
  if (!invocation.command.arguments.has(parameter.name)) return []
  const value = yield* argument(invocation, parameter.name)
  return texts(parameter.convert === undefined ? value : yield* computed(parameter.convert(value, undefined)))
})

const jsonOptions = (invocation: Invocation): Effect.Effect<JsonOptions, Failure> =>
  Effect.map(checked(invocation, options), (given) => ({
    pretty: given.includes("json.pretty"),
    noStringConversion: given.includes("json.no-string-conversion")
  }))

export const serialization = [
  builtin(
    "serialize",
    [required("value"), { ...to, required: true }, options],
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      const value = yield* argument(invocation, "value")
      yield* checked(invocation, to)
      return str(serialize(value, yield* jsonOptions(invocation)))
    })
  ),
  builtin(
    "deserialize",
    [required("value"), { ...from, required: true }, options],
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      const text = yield* textArgument(invocation, "value")
      yield* checked(invocation, from)
      return yield* computed(deserialize(text, yield* jsonOptions(invocation)))
    })
  )
]
