import { Effect } from "effect"
import { RosError } from "../../menu/Menu.ts"
import type { Block } from "../Ast.ts"
import type { CommandDefinition, Invocation, Parameter } from "../Command.ts"
import { evaluate, runBlock } from "../Evaluator.ts"
import type { Failure } from "../Frame.ts"
import { parseNumber } from "../Literal.ts"
import { toText } from "../Text.ts"
import { nothing, type Value } from "../Value.ts"

/** A command of the language; parameters may be given by position, in their order, unless they must be named. */
export const builtin = (
  name: string,
  parameters: ReadonlyArray<Parameter>,
  run: (invocation: Invocation) => Effect.Effect<Value, Failure>
): CommandDefinition => ({
  name: `:${name}`,
  parameters,
  positional: parameters.filter(({ named }) => named !== true).map(({ name }) => name),
  flags: [],
  run
})

export const required = (name: string, kind: Parameter["kind"] = "value"): Parameter => ({ name, kind, required: true })
export const optional = (name: string, kind: Parameter["kind"] = "value"): Parameter => ({ name, kind })

export const named = (name: string, kind: Parameter["kind"] = "value"): Parameter => ({ name, kind, named: true })

/** The argument's value; nothing when it was not given. */
export const argument = ({ command, frame }: Invocation, name: string): Effect.Effect<Value, Failure> => {
  const given = command.arguments.get(name)
  return given?._tag === "Value" ? evaluate(given.expression, frame) : Effect.succeed(nothing)
}

/** The argument's value as text. */
export const textArgument = (invocation: Invocation, name: string): Effect.Effect<string, Failure> =>
  Effect.map(argument(invocation, name), toText)

/** The variable names given as an argument. */
export const namesArgument = ({ command }: Invocation, name: string): ReadonlyArray<string> => {
  const given = command.arguments.get(name)
  return given?._tag === "Names" ? given.names : []
}

/** The block given as an argument. */
export const blockArgument = ({ command }: Invocation, name: string): Block | undefined => {
  const given = command.arguments.get(name)
  return given?._tag === "Block" ? given.block : undefined
}

/** Runs the block given as an argument, if there is one, with the variables that the command binds. */
export const runArgument = (
  invocation: Invocation,
  name: string,
  bindings?: ReadonlyMap<string, Value>
): Effect.Effect<void, Failure> => {
  const block = blockArgument(invocation, name)
  return block === undefined ? Effect.void : runBlock(block, invocation.frame, bindings)
}

/** The argument as a number; a run-time error when it is none. */
export const numberArgument = Effect.fnUntraced(function*(
  invocation: Invocation,
  name: string
): Effect.fn.Return<bigint | undefined, Failure> {
  const value = yield* argument(invocation, name)
  if (value._tag === "Nothing") return undefined
  const number = value._tag === "Str" ? parseNumber(value.value) : value._tag === "Num" ? value.value : undefined
  return number ?? (yield* invalidArgument(name))
})

export const invalidArgument = (name: string) =>
  Effect.fail(new RosError({ message: `invalid value for argument ${name}` }))
