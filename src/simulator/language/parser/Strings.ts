import { Result } from "effect"
import type { Expression } from "../Ast.ts"
import { toText } from "../Text.ts"
import { str } from "../Value.ts"
import type { Parsed, Parsing } from "./Parsing.ts"

const escapes: Readonly<Record<string, string>> = {
  "\"": "\"",
  "\\": "\\",
  n: "\n",
  r: "\r",
  t: "\t",
  $: "$",
  _: " ",
  a: "\u0007",
  b: "\b",
  f: "\f",
  v: "\v",
  "?": "?"
}

/**
 * A string in double quotes, from its opening quote on. `embedded` parses what follows a `$`. Escapes other than those
 * of the RouterOS manual (Scripting: constant escape sequences) are errors, lower-case hexadecimal among them.
 */
export const stringLiteral = (p: Parsing, embedded: (p: Parsing) => Parsed<Expression>): Parsed<Expression> =>
  Result.gen(function*() {
    const { lexer } = p
    const start = lexer.offset
    const parts: Array<Expression> = []
    let text = ""
    lexer.accept("\"")
    while (!lexer.accept("\"")) {
      if (lexer.atEnd) return yield* lexer.fail("syntax error", start)
      text += lexer.take(/[^"\\$]+/y) ?? ""
      if (lexer.next === "\\") text += yield* escape(p)
      else if (lexer.next === "$") {
        parts.push(quoted(text), yield* embedded(p))
        text = ""
      }
    }
    return parts.length === 0 ? quoted(text) : { _tag: "Interpolation" as const, parts: [...parts, quoted(text)] }
  })

/** A string whose text is known while parsing: names of variables and keys of arrays. */
export const plainString = (p: Parsing): Parsed<string> =>
  Result.gen(function*() {
    const start = p.lexer.offset
    const literal = yield* stringLiteral(p, () => p.lexer.fail("syntax error"))
    return literal._tag === "Literal" ? toText(literal.value) : yield* p.lexer.fail("syntax error", start)
  })

const quoted = (text: string): Expression => ({ _tag: "Literal", value: str(text), word: undefined })

const escape = (p: Parsing): Parsed<string> => {
  const { lexer } = p
  const bytes = lexer.take(/(?:\\[0-9A-F]{2})+/y)
  if (bytes !== undefined) return Result.succeed(Buffer.from(bytes.replaceAll("\\", ""), "hex").toString())
  if (lexer.take(/\\\s+/y) !== undefined) return Result.succeed("")
  const known = escapes[lexer.source.charAt(lexer.offset + 1)]
  if (known === undefined) return lexer.fail("syntax error")
  lexer.offset += 2
  return Result.succeed(known)
}
