import { Result } from "effect"
import type { Argument, Expression } from "../Ast.ts"
import type { CommandDefinition, Parameter } from "../Command.ts"
import { matchWord } from "../CommandTree.ts"
import { SyntaxFailure } from "../Lexer.ts"
import { str } from "../Value.ts"
import { block } from "./Blocks.ts"
import { argumentValue, conditions, parenthesised } from "./Expressions.ts"
import type { Parsed, Parsing } from "./Parsing.ts"
import { plainString } from "./Strings.ts"

export interface GivenArguments {
  readonly arguments: ReadonlyMap<string, Argument>
  readonly flags: ReadonlySet<string>
  readonly where: Expression | undefined
}

/** Arguments collected so far of the command that is being parsed. */
interface Collected {
  readonly definition: CommandDefinition
  readonly given: Map<string, Argument>
  readonly flags: Set<string>
  /** Variables that this command binds in its blocks. */
  readonly bound: Array<string>
  where: Expression | undefined
}

/**
 * What follows a command's name, up to the end of the command. Everything that can be wrong without running is found
 * here: unknown words, words too many, values that no run can accept, and missing arguments.
 */
export const commandArguments = (p: Parsing, definition: CommandDefinition): Parsed<GivenArguments> =>
  Result.gen(function*() {
    const collected: Collected = { definition, given: new Map(), flags: new Set(), bound: [], where: undefined }
    while (collected.where === undefined) {
      p.lexer.skipBlanks()
      if (p.lexer.atEndOfCommand) break
      yield* next(p, collected)
    }
    const missing = definition.parameters.filter(({ name, required }) => required && !collected.given.has(name))
    if (missing.length > 0) {
      const names = missing.map(({ name }) => name).join(" ")
      return yield* Result.fail(new SyntaxFailure({ message: `missing value(s) of argument(s) ${names}` }))
    }
    for (const { kind, name } of definition.parameters) {
      const argument = collected.given.get(name)
      if (kind === "declare" && argument?._tag === "Names") argument.names.forEach((variable) => p.declare(variable))
    }
    return { arguments: collected.given, flags: collected.flags, where: collected.where }
  })

const next = (p: Parsing, collected: Collected): Parsed<void> => {
  const { definition, flags, given } = collected
  const { lexer } = p
  if (definition.where !== undefined && lexer.take(/where(?![A-Za-z0-9=-])/y) !== undefined) return where(p, collected)
  const name = lexer.look(/[A-Za-z.][A-Za-z0-9.-]*(?==)/y)
  if (name !== undefined) {
    const named = parameter(definition, name) ??
      parameter(definition, matchWord(definition.parameters.map((known) => known.name), name))
    if (named === undefined) return definition.where?.implicit ? where(p, collected) : tooMany(p)
    lexer.accept(`${name}=`)
    lexer.skipBlanks()
    return argument(p, collected, named)
  }
  const positional = parameter(definition, definition.positional.find((known) => !given.has(known)))
  const word = lexer.look(/[A-Za-z][A-Za-z0-9-]*(?=[\s;\])}]|$)/y) ?? ""
  const flag = matchWord(definition.flags, word)
  if (flag !== undefined && word !== "" && (flag === word || positional === undefined)) {
    lexer.accept(word)
    flags.add(flag)
    return Result.void
  }
  const unset = parameter(definition, lexer.look(/![a-z][a-z0-9-]*/y)?.slice(1))
  if (unset?.unset) {
    lexer.accept(`!${unset.name}`)
    given.set(unset.name, { _tag: "Unset" })
    return Result.void
  }
  if (definition.where?.implicit) return where(p, collected)
  return positional === undefined ? tooMany(p) : argument(p, collected, positional)
}

const parameter = (definition: CommandDefinition, name: string | undefined): Parameter | undefined =>
  definition.parameters.find((known) => known.name === name)

const tooMany = (p: Parsing) => p.lexer.fail("expected end of command")

const where = (p: Parsing, collected: Collected): Parsed<void> => {
  const outer = p.properties
  p.properties = collected.definition.where?.properties
  const parsed = conditions(p)
  p.properties = outer
  return Result.map(parsed, (expression) => {
    collected.where = expression
  })
}

const argument = (p: Parsing, collected: Collected, of: Parameter): Parsed<void> =>
  Result.map(argumentOf(p, collected, of), (given) => {
    collected.given.set(of.name, given)
  })

const argumentOf = (p: Parsing, collected: Collected, of: Parameter): Parsed<Argument> => {
  switch (of.kind) {
    case "block":
      return Result.map(block(p, false, collected.bound), (body) => ({ _tag: "Block", block: body }))
    case "function":
      return p.lexer.next === "{"
        ? Result.map(block(p, true, []), (body) => valueOf({ _tag: "Function", block: body }))
        : Result.map(argumentValue(p), valueOf)
    case "declare":
      return Result.map(variableName(p), (name) => ({ _tag: "Names", names: [name] }))
    case "bind":
      return Result.map(boundNames(p), (names) => {
        collected.bound.push(...names)
        return { _tag: "Names", names }
      })
    case "target":
      return target(p)
    case "value":
      return checkedValue(p, of)
  }
}

const valueOf = (expression: Expression): Argument => ({ _tag: "Value", expression })

/** A literal that the parameter cannot take is refused now, with the device's text for it. */
const checkedValue = (p: Parsing, of: Parameter): Parsed<Argument> => {
  if (p.lexer.atEndOfCommand) return Result.succeed(valueOf({ _tag: "Literal", value: str(""), word: "" }))
  return Result.flatMap(argumentValue(p), (expression) => {
    const checked = expression._tag === "Literal" ? of.convert?.(expression.value, expression.word) : undefined
    return checked !== undefined && Result.isFailure(checked)
      ? Result.fail(new SyntaxFailure({ message: checked.failure }))
      : Result.succeed(valueOf(expression))
  })
}

/** Letters and digits, or anything in quotes. */
const variableName = (p: Parsing): Parsed<string> => {
  if (p.lexer.next === "\"") return plainString(p)
  const name = p.lexer.take(/[A-Za-z][A-Za-z0-9]*/y)
  return name === undefined || p.lexer.look(/[^\s;,\])}]/y) !== undefined
    ? p.lexer.fail("syntax error")
    : Result.succeed(name)
}

const boundNames = (p: Parsing): Parsed<ReadonlyArray<string>> =>
  Result.gen(function*() {
    const names = [yield* variableName(p)]
    while (p.lexer.accept(",")) names.push(yield* variableName(p))
    return names
  })

const target = (p: Parsing): Parsed<Argument> =>
  Result.gen(function*() {
    const start = p.lexer.offset
    const keys: Array<Expression> = []
    if (p.lexer.next !== "(") {
      const name = yield* variableName(p)
      return p.isDeclared(name) ? { _tag: "Target" as const, name, keys } : yield* p.lexer.fail("syntax error", start)
    }
    let place = yield* parenthesised(p)
    for (; place._tag === "Element"; place = place.array) keys.unshift(place.key)
    if (place._tag === "Variable" && p.isDeclared(place.name)) {
      return { _tag: "Target" as const, name: place.name, keys }
    }
    return yield* p.lexer.fail("syntax error", start)
  })
