import { Result } from "effect"
import type { Expression, Statement } from "../Ast.ts"
import type { CommandDefinition } from "../Command.ts"
import { matchWord, type MenuNode } from "../CommandTree.ts"
import { commandArguments } from "./Arguments.ts"
import { block } from "./Blocks.ts"
import { argumentValue, parenthesised, substitution, variable } from "./Expressions.ts"
import type { Parsed, Parsing } from "./Parsing.ts"

/** One statement: a command, a menu path, a function call, or a scope. */
export const command = (p: Parsing): Parsed<Statement> => {
  switch (p.lexer.next) {
    case "{":
      return Result.map(block(p, false, []), (body) => ({ _tag: "Scope", block: body }))
    case "$":
      return Result.flatMap(variable(p), (callee) => call(p, callee))
    case "(":
      return Result.flatMap(parenthesised(p), (callee) => call(p, callee))
    case "[":
      return Result.flatMap(substitution(p), (callee) => call(p, callee))
    default:
      return pathCommand(p)
  }
}

const call = (p: Parsing, callee: Expression): Parsed<Statement> =>
  Result.gen(function*() {
    const named: Array<readonly [string, Expression]> = []
    const positional: Array<Expression> = []
    while (true) {
      p.lexer.skipBlanks()
      if (p.lexer.atEndOfCommand) return { _tag: "Call" as const, callee, named, positional }
      const name = p.lexer.take(/[A-Za-z0-9-]+=/y)
      const given = yield* argumentValue(p)
      if (name === undefined) positional.push(given)
      else named.push([name.slice(0, -1), given])
    }
  })

const pathCommand = (p: Parsing): Parsed<Statement> =>
  Result.gen(function*() {
    const position = p.lexer.position()
    const global = p.lexer.accept(":")
    const { definition, menu } = yield* resolve(p, global || p.lexer.accept("/"))
    if (definition === undefined) {
      return global ? yield* p.lexer.fail("expected command name") : yield* menuAlone(p, menu)
    }
    // What comes later in the line is relative to the menu of the last command, its own arguments included.
    if (!global) p.menu = menu
    const given = yield* commandArguments(p, definition)
    return { _tag: "Command" as const, definition, ...given, position }
  })

interface Resolved {
  readonly menu: MenuNode
  readonly definition: CommandDefinition | undefined
}

/** Follows menu words, separated by blanks or one slash, to a command or to where no further word is. */
const resolve = (p: Parsing, absolute: boolean): Parsed<Resolved> =>
  Result.gen(function*() {
    let menu = absolute ? p.root : p.menu
    let complete = absolute
    while (true) {
      p.lexer.skipBlanks()
      const start = p.lexer.offset
      const word = p.lexer.take(/\.\.|[A-Za-z0-9][A-Za-z0-9_-]*/y)
      if (word === undefined) {
        return complete ? { menu, definition: undefined } : yield* p.lexer.fail("expected command name")
      }
      const isWhole = word === ".." || menu.menus.has(word) || menu.commands.has(word)
      const name = isWhole ? word : matchWord([...menu.menus.keys(), ...menu.commands.keys()], word)
      const definition = menu.commands.get(name ?? "")
      if (definition !== undefined) return { menu, definition }
      const inner = word === ".." ? menu.parent ?? menu : menu.menus.get(name ?? "")
      if (inner === undefined) return yield* p.lexer.fail(`bad command name ${word}`, start)
      menu = inner
      complete = !p.lexer.accept("/")
    }
  })

/** `/disk` changes the current menu; `/disk { … }` does so for its block. */
const menuAlone = (p: Parsing, menu: MenuNode): Parsed<Statement> => {
  const outer = p.menu
  p.menu = menu
  if (p.lexer.next !== "{") return Result.succeed({ _tag: "Menu", path: menu.path, prompt: p.atTop })
  const body = block(p, false, [])
  p.menu = outer
  return Result.map(body, (inner) => ({ _tag: "Scope", block: inner }))
}
