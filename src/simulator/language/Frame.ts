import { Data, type Effect, type Result } from "effect"
import type { Caller, RosError, Row } from "../menu/Menu.ts"
import type { Block } from "./Ast.ts"
import type { SyntaxFailure } from "./Lexer.ts"
import type { Scope } from "./Scope.ts"
import type { Session } from "./Session.ts"
import type { Value } from "./Value.ts"

/** `:return`: ends the function or the `[ … ]` it is in. */
export class Return extends Data.TaggedError("Return")<{ readonly value: Value }> {}
/** `:break` and `:continue`: end the loop, or this turn of it. */
export class LoopControl extends Data.TaggedError("LoopControl")<{ readonly kind: "break" | "continue" }> {}
/** Ends the whole script; scripts cannot catch it. `message` is undefined for `:exit`. */
export class Terminated extends Data.TaggedError("Terminated")<{ readonly message: string | undefined }> {}

/** All ways in which a statement ends other than by its value. Scripts catch only {@link RosError}. */
export type Failure = RosError | Return | LoopControl | Terminated

/** What a running script has around it. */
export interface Machine {
  readonly caller: Caller
  /** Columns at which `print` wraps. */
  readonly terminalWidth: number
  readonly emit: (text: string) => Effect.Effect<void>
  readonly globals: Map<string, Value>
  readonly session: Session
  readonly parse: (source: string) => Result.Result<Block, SyntaxFailure>
  /** Counts one command or loop turn; fails when the script has had its share. */
  readonly step: Effect.Effect<void, Terminated>
}

/** Where in the running script an expression is evaluated. */
export interface Frame {
  readonly machine: Machine
  readonly scope: Scope
  /** The row that a `where` looks at. */
  readonly row: Row | undefined
  /** Function calls around this place. */
  readonly depth: number
}
