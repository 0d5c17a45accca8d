import type { Result } from "effect"
import type { Statement } from "../Ast.ts"
import type { MenuNode } from "../CommandTree.ts"
import { Lexer, type SyntaxFailure } from "../Lexer.ts"

export type Parsed<A> = Result.Result<A, SyntaxFailure>

/** Nesting beyond this is refused: no script of use comes near it, and the parser is recursive. */
const maximumDepth = 64

interface NameScope {
  readonly names: Set<string>
  /** A function's body sees no names from outside. */
  readonly closed: boolean
}

/** State of one parse. */
export class Parsing {
  readonly lexer: Lexer
  readonly root: MenuNode
  /** Parses one command; expressions need it for `[ … ]`. */
  readonly command: (parsing: Parsing) => Parsed<Statement>
  /** The menu that relative commands are looked up in: it follows the last absolute path. */
  menu: MenuNode
  /** Properties of the rows that the `where` being parsed looks at. */
  properties: ReadonlySet<string> | undefined
  /** True between parentheses, where a line end is a blank. */
  multiline = false
  #depth = 0
  readonly #scopes: Array<NameScope>
  readonly #strict: boolean

  constructor(options: {
    readonly source: string
    readonly root: MenuNode
    readonly menu: MenuNode
    readonly names: Iterable<string>
    /** True for a line: reading an undeclared name outside of any block is an error. */
    readonly strict: boolean
    readonly command: (parsing: Parsing) => Parsed<Statement>
  }) {
    this.lexer = new Lexer(options.source)
    this.root = options.root
    this.menu = options.menu
    this.command = options.command
    this.#scopes = [{ names: new Set(options.names), closed: true }]
    this.#strict = options.strict
  }

  /** True outside of every bracket: a menu path alone is then the new menu of the prompt. */
  get atTop(): boolean {
    return this.#depth === 0
  }

  skip(): void {
    if (this.multiline) this.lexer.skipSpace()
    else this.lexer.skipBlanks()
  }

  declare(name: string): void {
    this.#scopes.at(-1)?.names.add(name)
  }

  isDeclared(name: string): boolean {
    for (const scope of this.#scopes.toReversed()) {
      if (scope.names.has(name)) return true
      if (scope.closed) return false
    }
    return false
  }

  /** Whether `$name` may stand here. Inside a block an unknown name reads as nothing; outside it stops the line. */
  isReadable(name: string): boolean {
    return this.isDeclared(name) || !this.#strict || this.#scopes.length > 1
  }

  /** Parses inside brackets of any kind: limits the depth, and gives back the menu and the mode afterwards. */
  nested<A>(multiline: boolean, parse: () => Parsed<A>): Parsed<A> {
    if (this.#depth >= maximumDepth) return this.lexer.fail("syntax error")
    const before = { menu: this.menu, multiline: this.multiline, properties: this.properties }
    this.#depth++
    this.multiline = multiline
    const parsed = parse()
    this.#depth--
    this.menu = before.menu
    this.multiline = before.multiline
    this.properties = before.properties
    return parsed
  }

  /** Parses with a scope of names of its own. */
  scoped<A>(closed: boolean, names: Iterable<string>, parse: () => Parsed<A>): Parsed<A> {
    this.#scopes.push({ names: new Set(names), closed })
    const parsed = parse()
    this.#scopes.pop()
    return parsed
  }
}
