import { Result } from "effect"
import type { Block } from "./Ast.ts"
import { menuAt, type MenuNode } from "./CommandTree.ts"
import type { SyntaxFailure } from "./Lexer.ts"
import { statements } from "./parser/Blocks.ts"
import { command } from "./parser/Commands.ts"
import { Parsing } from "./parser/Parsing.ts"

/**
 * Parses a line that was typed or sent: `menu` is the path of the prompt, `globals` are the names of the device's
 * variables. Menus, commands, parameter names and literal arguments are checked against `root` here, so that nothing of
 * a wrong line runs.
 */
export const parseLine = (
  source: string,
  options: { readonly root: MenuNode; readonly menu: string; readonly globals: Iterable<string> }
): Result.Result<Block, SyntaxFailure> => {
  const { globals: names, root } = options
  const menu = menuAt(root, options.menu) ?? root
  return whole(new Parsing({ source, root, menu, names, strict: true, command }))
}

/** Parses the text of a function: it sees its arguments only, and names that it does not declare read as nothing. */
export const parseFunction = (source: string, root: MenuNode): Result.Result<Block, SyntaxFailure> =>
  whole(new Parsing({ source, root, menu: root, names: [], strict: false, command }))

const whole = (parsing: Parsing) =>
  Result.gen(function*() {
    const block = yield* statements(parsing)
    return parsing.lexer.atEnd ? block : yield* parsing.lexer.fail("syntax error")
  })
