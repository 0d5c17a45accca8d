import type { CommandDefinition } from "./Command.ts"
import type { Value } from "./Value.ts"

/** Place in the source, both counted from 1, as error texts show it. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Binary operators by the name they have in scripts; `and`, `or` are parsed to `&&`, `||`. */
export type BinaryOperator =
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "."
  | ","
  | "="
  | "!="
  | "<"
  | ">"
  | "<="
  | ">="
  | "~"
  | "in"
  | "&&"
  | "||"
  | "&"
  | "|"
  | "^"
  | "<<"
  | ">>"

export type UnaryOperator = "-" | "!" | "~"

export interface Literal {
  readonly _tag: "Literal"
  readonly value: Value
  /** The word as written when it had no quotes: typed arguments read it instead of the guessed value. */
  readonly word: string | undefined
}

export type Expression =
  | Literal
  /** A string with `$var`, `$(…)` or `$[…]` in it. */
  | { readonly _tag: "Interpolation"; readonly parts: ReadonlyArray<Expression> }
  | { readonly _tag: "Variable"; readonly name: string }
  /** A property of the row that a `where` looks at. */
  | { readonly _tag: "Property"; readonly name: string }
  /** `[command]` */
  | { readonly _tag: "Substitution"; readonly statement: Statement }
  /** `{1;2;"k"=3}` */
  | { readonly _tag: "Array"; readonly elements: ReadonlyArray<ArrayElement> }
  /** Body of a function. */
  | { readonly _tag: "Function"; readonly block: Block }
  | { readonly _tag: "Unary"; readonly operator: UnaryOperator; readonly operand: Expression }
  | {
    readonly _tag: "Binary"
    readonly operator: BinaryOperator
    readonly left: Expression
    readonly right: Expression
  }
  /** `array->key` */
  | { readonly _tag: "Element"; readonly array: Expression; readonly key: Expression }

export interface ArrayElement {
  readonly key: string | undefined
  readonly value: Expression
}

export type Argument =
  | { readonly _tag: "Value"; readonly expression: Expression }
  | { readonly _tag: "Block"; readonly block: Block }
  /** Variable names: `i`, or `k,v` of `:foreach`. */
  | { readonly _tag: "Names"; readonly names: ReadonlyArray<string> }
  /** What `:set` assigns to: a variable, or an element of an array in it. */
  | { readonly _tag: "Target"; readonly name: string; readonly keys: ReadonlyArray<Expression> }
  /** `!property` of a menu's `set`. */
  | { readonly _tag: "Unset" }

export interface CommandStatement {
  readonly _tag: "Command"
  readonly definition: CommandDefinition
  readonly arguments: ReadonlyMap<string, Argument>
  readonly flags: ReadonlySet<string>
  readonly where: Expression | undefined
  readonly position: Position
}

/** `$function name=1 2`; also a value standing alone in place of a command. */
export interface CallStatement {
  readonly _tag: "Call"
  readonly callee: Expression
  readonly named: ReadonlyArray<readonly [string, Expression]>
  readonly positional: ReadonlyArray<Expression>
}

export type Statement =
  | CommandStatement
  | CallStatement
  /** `{ … }` */
  | { readonly _tag: "Scope"; readonly block: Block }
  /**
   * A menu path alone. What it means for later commands of the line the parser knows; `prompt`: it stays for later
   * lines.
   */
  | { readonly _tag: "Menu"; readonly path: string; readonly prompt: boolean }

export interface Block {
  readonly statements: ReadonlyArray<Statement>
}
