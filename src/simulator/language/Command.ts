import type { Effect, Result } from "effect"
import type { CommandStatement } from "./Ast.ts"
import type { Failure, Frame } from "./Frame.ts"
import type { Value } from "./Value.ts"

/**
 * What the parser expects as a parameter's argument:
 * - value: any value
 * - block: `{…}` run in the caller's scope    function: `{…}` kept as a function with a scope of its own
 * - declare: a variable name, known to the statements after this one
 * - bind: one or two variable names, known inside the blocks of this command only
 * - target: a declared variable, or `($array->key)`
 */
export type ParameterKind = "value" | "block" | "function" | "declare" | "bind" | "target"

export interface Parameter {
  readonly name: string
  readonly kind: ParameterKind
  readonly required?: boolean
  /** Cannot be given by position. */
  readonly named?: boolean
  /** Words that it takes, for completion. */
  readonly values?: ReadonlyArray<string>
  /** May be given as `!name`: takes the property away. */
  readonly unset?: boolean
  /**
   * The argument as the type that the parameter has; fails with the device's text. `word` is the argument as written
   * when it had no quotes. Literal arguments are converted when the line is parsed, so that an impossible one stops the
   * whole line.
   */
  readonly convert?: (value: Value, word: string | undefined) => Result.Result<Value, string>
}

/** A command as the parser and the evaluator know it: a part of the language, or a command of a menu. */
export interface CommandDefinition {
  /** As error texts show it: ":put", "/disk/add". */
  readonly name: string
  readonly parameters: ReadonlyArray<Parameter>
  /** Names of parameters that may be given without their name, in order. */
  readonly positional: ReadonlyArray<string>
  /** Words without a value. */
  readonly flags: ReadonlyArray<string>
  /** A filter over rows: after the word `where`, or (implicit) right away as in `find slot="x"`. */
  readonly where?: { readonly implicit: boolean; readonly properties: ReadonlySet<string> }
  readonly run: (invocation: Invocation) => Effect.Effect<Value, Failure>
}

export interface Invocation {
  readonly command: CommandStatement
  readonly frame: Frame
}
