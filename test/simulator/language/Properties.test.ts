import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool } from "../support/Disks.ts"

const printable = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0x20, maximum: 0x7e })))
const text = (codes: ReadonlyArray<number>) => String.fromCharCode(...codes)
const quoted = (plain: string) => `"${plain.replace(/["\\$]/g, "\\$&")}"`

it.effect.prop(
  "any printable text in quotes, with \\ \" $ escaped, comes back unchanged",
  [printable],
  ([codes]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* output(`:put ${quoted(text(codes))}`), `${text(codes)}\r\n`)
      const { menu, rows } = disks([pool])
      yield* output(`/disk add type=file slot=${quoted(text(codes))}; :put after`, { menus: [menu] })
      const added = (yield* rows)[1]?.get("slot")
      assert.deepStrictEqual(added, { _tag: "Str", value: text(codes) })
    }),
  { arbitrary: { runs: 200 } }
)

// Pieces of the language: random characters alone would hardly ever get past the first word.
const piece = Schema.Literals(
  [
    ":put ",
    ":local a ",
    ":set a ",
    ":if ",
    ":foreach i in=",
    "do={",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ";",
    "\n",
    "\"",
    "$a",
    "$",
    "\\"
  ]
    .concat([
      "->",
      "=",
      "!",
      "~",
      "and ",
      "in ",
      " . ",
      "-",
      "/",
      "/disk ",
      "print ",
      "where ",
      "find ",
      "slot",
      "as-value ",
      "1",
      "1h"
    ])
    .concat(["1.2.3.4", "*2A", "x=", ",", "#", ".. ", "\\41", "\u0000", "é"])
)

it.effect.prop(
  "random source never crashes the interpreter, and a refused line runs nothing",
  [Schema.Array(piece)],
  ([pieces]) =>
    Effect.gen(function*() {
      const source = pieces.join("")
      const { menu } = disks([pool, fileDisk(31, "vm-a")])
      const shown = yield* output(`:put ran\n${source}`, { menus: [menu], stepLimit: 1000 })
      const refused = /(^|\n)(syntax error|bad command name \S+|expected [a-z ]+) \(line \d+ column \d+\)\r\n$/
      const refusedArgument = /^(missing value\(s\) of|input does not match any value of|invalid value for) /
      if (shown.startsWith("ran\r\n")) assert.notMatch(shown, refused)
      else assert.isTrue(refused.test(shown) || refusedArgument.test(shown), shown)
    }),
  { arbitrary: { runs: 400 } }
)

it.effect("nesting without end is a syntax error", () =>
  Effect.gen(function*() {
    for (const open of ["(", "[", "{", ":put (", "[:put ", "!", "-"]) {
      assert.match(yield* output(`:put (${open.repeat(5000)}`), /^syntax error \(line 1 column \d+\)\r\n$/)
    }
  }))

interface Term {
  readonly source: string
  readonly value: bigint
}

// The reference: each operator spelled out with the parentheses that its precedence stands for.
it.effect.prop(
  "* / % bind tighter than + and -, all from left to right",
  [Schema.Array(Schema.Struct({
    operator: Schema.Literals(["+", "-", "*"]),
    number: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 }))
  }))],
  ([terms]) =>
    Effect.gen(function*() {
      const sums: Array<Term> = [{ source: "7", value: 7n }]
      for (const { number, operator } of terms) {
        const last = sums.pop() ?? { source: "", value: 0n }
        if (operator === "*") sums.push({ source: `${last.source} * ${number}`, value: last.value * BigInt(number) })
        else {sums.push(last, {
            source: `${operator} ${number}`,
            value: operator === "-" ? -BigInt(number) : BigInt(number)
          })}
      }
      const value = BigInt.asIntN(64, sums.reduce((sum, term) => sum + term.value, 0n))
      assert.strictEqual(yield* output(`:put (${sums.map((term) => term.source).join(" ")})`), `${value}\r\n`)
    }),
  { arbitrary: { runs: 100 } }
)
