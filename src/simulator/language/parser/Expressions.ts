import { Result } from "effect"
import type { ArrayElement, BinaryOperator, Expression, UnaryOperator } from "../Ast.ts"
import { parseTyped, parseWord } from "../Literal.ts"
import { bool, ipPrefix, nil } from "../Value.ts"
import type { Parsed, Parsing } from "./Parsing.ts"
import { plainString, stringLiteral } from "./Strings.ts"

/**
 * From loosest to tightest; the manual lists the operators without their order, so this is the usual one of the C
 * family.
 */
const precedence: ReadonlyArray<ReadonlyArray<BinaryOperator>> = [
  [","],
  ["||"],
  ["&&"],
  ["=", "!=", "<", ">", "<=", ">=", "~", "in"],
  ["|"],
  ["^"],
  ["&"],
  ["<<", ">>"],
  ["."],
  ["+", "-"],
  ["*", "/", "%"]
]
const words: Readonly<Record<string, BinaryOperator>> = { and: "&&", or: "||", in: "in" }
const operators: ReadonlyMap<string, { readonly operator: BinaryOperator; readonly level: number }> = new Map(
  precedence.flatMap((names, level) => names.map((operator) => [operator, { operator, level }] as const))
)
const operatorToken = /&&|\|\||<=|>=|!=|<<|>>|->|[-+*/%.,=<>~&|^]|(?:and|or|in)(?![A-Za-z0-9-])/y
const conditionLevel = operators.get("||")?.level ?? 0

/** An expression as it stands between parentheses. */
const expression = (p: Parsing): Parsed<Expression> => binary(p, 0)

/**
 * The conditions after `where`, to the end of the command: all of them must hold, also those side by side without
 * `and`. A condition that begins with a word that is no property stops the line.
 */
export const conditions = (p: Parsing): Parsed<Expression> =>
  Result.gen(function*() {
    let all: Expression | undefined
    while (true) {
      p.lexer.skipBlanks()
      if (p.lexer.atEndOfCommand) return all ?? { _tag: "Literal" as const, value: bool(true), word: undefined }
      const word = p.lexer.look(/[A-Za-z][A-Za-z0-9-]*/y)
      if (word !== undefined && !p.properties?.has(word) && !["true", "false", "yes", "no"].includes(word)) {
        return yield* p.lexer.fail("expected end of command")
      }
      const next: Expression = yield* binary(p, conditionLevel)
      all = all === undefined ? next : { _tag: "Binary", operator: "&&", left: all, right: next }
    }
  })

// Written without generators, as `prefixed` is: they parse every operand, and most of a script is operands.
const binary = (p: Parsing, level: number): Parsed<Expression> => {
  let parsed = prefixed(p)
  while (Result.isSuccess(parsed)) {
    p.skip()
    const token = p.lexer.look(operatorToken) ?? ""
    const found = operators.get(words[token] ?? token)
    if (found === undefined || found.level < level) return parsed
    p.lexer.accept(token)
    const { operator } = found
    const left = parsed.success
    parsed = Result.map(binary(p, found.level + 1), (right) => ({ _tag: "Binary", operator, left, right }))
  }
  return parsed
}

const unaryOperators: ReadonlyArray<UnaryOperator> = ["-", "!", "~"]

const prefixed = (p: Parsing): Parsed<Expression> => {
  p.skip()
  const operator = unaryOperators.find((sign) => p.lexer.accept(sign))
  if (operator !== undefined) {
    const parsed = p.nested(p.multiline, () => prefixed(p))
    return Result.map(parsed, (operand) => ({ _tag: "Unary", operator, operand }))
  }
  let parsed = operand(p)
  while (Result.isSuccess(parsed)) {
    p.skip()
    if (!p.lexer.accept("->")) return parsed
    p.skip()
    const array = parsed.success
    parsed = Result.map(operand(p), (key) => ({ _tag: "Element", array, key }))
  }
  return parsed
}

const operand = (p: Parsing): Parsed<Expression> => {
  switch (p.lexer.next) {
    case "(":
      return parenthesised(p)
    case "{":
      return array(p)
    case "[":
      return substitution(p)
    case "\"":
      return stringLiteral(p, embedded)
    case "$":
      return variable(p)
    default:
      return token(p)
  }
}

/** `( … )` */
export const parenthesised = (p: Parsing): Parsed<Expression> =>
  p.nested(true, () =>
    Result.gen(function*() {
      p.lexer.accept("(")
      const inner = yield* expression(p)
      p.lexer.skipSpace()
      return p.lexer.accept(")") ? inner : yield* p.lexer.fail("syntax error")
    }))

/** `[ … ]`: one command, whose value this is; empty it is nil. */
export const substitution = (p: Parsing): Parsed<Expression> =>
  p.nested(false, () =>
    Result.gen(function*() {
      p.lexer.accept("[")
      p.lexer.skipSeparators()
      if (p.lexer.accept("]")) return { _tag: "Literal" as const, value: nil, word: undefined }
      const statement = yield* p.command(p)
      p.lexer.skipSeparators()
      if (!p.lexer.accept("]")) return yield* p.lexer.fail("syntax error")
      return { _tag: "Substitution" as const, statement }
    }))

/** `$name` or `$"any name"`; inside `where` the name of a property means the property, whatever variable there is. */
export const variable = (p: Parsing): Parsed<Expression> =>
  Result.gen(function*() {
    const { lexer } = p
    lexer.accept("$")
    const start = lexer.offset
    const name = lexer.next === "\"" ? yield* plainString(p) : lexer.take(/[A-Za-z0-9]+/y)
    if (name === undefined) return yield* lexer.fail("syntax error")
    if (p.properties?.has(name)) return { _tag: "Property" as const, name }
    if (!p.isReadable(name)) return yield* lexer.fail("syntax error", start)
    return { _tag: "Variable" as const, name }
  })

/** `$name`, `$(expression)` or `$[command]` inside a string. */
const embedded = (p: Parsing): Parsed<Expression> => {
  const next = p.lexer.source.charAt(p.lexer.offset + 1)
  if (next === "\"") return p.lexer.fail("syntax error")
  if (next !== "(" && next !== "[") return variable(p)
  p.lexer.accept("$")
  return next === "(" ? parenthesised(p) : substitution(p)
}

// Address or prefix, clock time, interval with units, hexadecimal, id, integer.
const typedToken = new RegExp(
  [
    /\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?/,
    /(?:\d+w)?(?:\d+d)?\d{1,4}:\d{2}(?::\d{2}(?:\.\d+)?)?/,
    /(?:\d+(?:ms|us|ns|[wdhms]))+/,
    /0x[0-9a-fA-F]+/,
    /\*[0-9a-fA-F]+/,
    /\d+(?![./]\d)/
  ].map(({ source }) => source).join("|"),
  "y"
)
const wordToken = /\.?[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*/y

/** A number, interval, address, id or bare word. `10/2` without blanks is an address prefix, as the manual warns. */
const token = (p: Parsing): Parsed<Expression> => {
  const { lexer } = p
  const start = lexer.offset
  const prefix = /^(\d+)\/(\d+)$/.exec(lexer.look(/\d+\/\d+/y) ?? "")
  if (prefix !== null && Number(prefix[2]) <= 32) {
    lexer.offset += prefix[0].length
    return Result.succeed({
      _tag: "Literal",
      value: ipPrefix(BigInt(prefix[1] ?? "0"), Number(prefix[2])),
      word: undefined
    })
  }
  const typed = parseTyped(lexer.take(typedToken) ?? "")
  if (typed !== undefined) {
    return lexer.look(/[A-Za-z0-9_]/y) === undefined
      ? Result.succeed({ _tag: "Literal", value: typed, word: undefined })
      : lexer.fail("syntax error", start)
  }
  const word = lexer.take(wordToken)
  if (word === undefined || words[word] !== undefined) return lexer.fail("syntax error", start)
  if (p.properties?.has(word)) return Result.succeed({ _tag: "Property", name: word })
  return Result.succeed({ _tag: "Literal", value: parseWord(word), word: undefined })
}

/** `{1;2;"key"=3}`. As an argument it must not be empty; `({})` is the empty array. */
const array = (p: Parsing): Parsed<Expression> =>
  p.nested(true, () =>
    Result.gen(function*() {
      p.lexer.accept("{")
      const elements: Array<ArrayElement> = []
      while (true) {
        p.lexer.take(/[\s;,]*/y)
        if (p.lexer.accept("}")) return { _tag: "Array" as const, elements }
        elements.push(yield* element(p))
        if (p.lexer.look(/\s*[;,}]|[ \t]*[\r\n]/y) === undefined) return yield* p.lexer.fail("syntax error")
      }
    }))

const element = (p: Parsing): Parsed<ArrayElement> =>
  Result.gen(function*() {
    const { lexer } = p
    const bare = lexer.take(/[a-z]+(?==)/y)
    if (bare === undefined && lexer.look(/"(?:[^"\\]|\\.)*"\s*=/y) === undefined) {
      return { key: undefined, value: yield* value(p, /[^\s;,=()[\]{}"$\\]+/y) }
    }
    const key = bare ?? (yield* plainString(p))
    lexer.skipSpace()
    lexer.accept("=")
    lexer.skipSpace()
    return { key, value: yield* value(p, /[^\s;,=()[\]{}"$\\]+/y) }
  })

/** One argument of a command, or one element of an array: a bare word goes as far as `bare` matches. */
const value = (p: Parsing, bare: RegExp): Parsed<Expression> => {
  if ("([{\"$".includes(p.lexer.next) && !p.lexer.atEnd) return operand(p)
  const word = p.lexer.take(bare)
  if (word === undefined) return p.lexer.fail("syntax error")
  return Result.succeed({ _tag: "Literal", value: parseWord(word), word })
}

/** An argument of a command: string, variable, `[…]`, `(…)`, `{…}` or a word up to the next blank. */
export const argumentValue = (p: Parsing): Parsed<Expression> => {
  const empty = p.lexer.look(/\{\s*\}/y)
  if (empty !== undefined) return p.lexer.fail("syntax error", p.lexer.offset + empty.length - 1)
  return value(p, /[^\s;()[\]{}"$\\]+/y)
}
