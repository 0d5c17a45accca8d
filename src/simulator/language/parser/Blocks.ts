import { Result } from "effect"
import type { Block, Statement } from "../Ast.ts"
import type { Parsed, Parsing } from "./Parsing.ts"

/**
 * `{ … }` with a scope of its own. `closed` is a function's body, which sees no names from outside; `names` are known
 * inside from the start.
 */
export const block = (p: Parsing, closed: boolean, names: Iterable<string>): Parsed<Block> =>
  p.nested(false, () =>
    p.scoped(closed, names, () =>
      Result.gen(function*() {
        if (!p.lexer.accept("{")) return yield* p.lexer.fail("syntax error")
        const body = yield* statements(p)
        return p.lexer.accept("}") ? body : yield* p.lexer.fail("syntax error")
      })))

/** Statements up to a closing brace or the end. */
export const statements = (p: Parsing): Parsed<Block> =>
  Result.gen(function*() {
    const { lexer } = p
    const found: Array<Statement> = []
    while (true) {
      lexer.skipSeparators()
      if (lexer.atEnd || lexer.next === "}") return { statements: found }
      found.push(yield* p.command(p))
      lexer.skipBlanks()
      if (!lexer.atEndOfCommand) return yield* lexer.fail("expected end of command")
      if (lexer.next === ")" || lexer.next === "]") return yield* lexer.fail("syntax error")
    }
  })
