import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Result, Schema } from "effect"
import { verdict, wrap } from "../../src/rds/Envelope.ts"
import { render, ros, type RosScript } from "../../src/rds/RouterOs.ts"
import { Interpreter } from "../../src/simulator/language/Interpreter.ts"
import { operator } from "../../src/simulator/menu/Menu.ts"

// The interpreter of the simulator is a second opinion on the script language: it shares no code with the encoder.

const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i))
const alphabet = [...printable, ..."\"\\$\"\\$\"\\$[]{}();#'?/"]
const character = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: alphabet.length - 1 })))
const text = Arbitrary.map(
  Arbitrary.array(character, { maxLength: 40 }),
  (indices) => indices.map((i) => alphabet[i]).join("")
)

const runLine = Effect.fnUntraced(function*(line: string) {
  let output = ""
  yield* Interpreter.run(line, {
    menus: [],
    caller: operator,
    terminalWidth: 80,
    emit: (chunk) =>
      Effect.sync(() => {
        output += chunk
      }),
    globals: new Map()
  })
  return output
})

const run = (script: RosScript) => Effect.flatMap(Effect.fromResult(render(script)), runLine)

describe("scripts made by ros", () => {
  // 500 scripts of 20 strings each.
  it.effect.prop(
    "10 000 printable strings come out of the interpreter as they went in: through a variable, and in a comparison",
    [Arbitrary.array(text, { minLength: 20, maxLength: 20 })],
    ([values]) =>
      Effect.gen(function*() {
        const script = ros`${values.map((value) => ros`:local v ${value}; :put ($v . ">" . ($v = ${value}));`)}`
        assert.strictEqual(yield* run(script), values.map((value) => `${value}>true\r\n`).join(""))
      }),
    { arbitrary: { runs: 500 }, timeout: 60_000 }
  )

  it.effect.prop(
    "in the envelope no value can feign or hide the verdict",
    [text, Schema.Boolean],
    ([value, fails]) =>
      Effect.gen(function*() {
        const script = fails ? ros`:put ${value}; :error ${value}; :put "not reached"` : ros`:put ${value}`
        const outcome = verdict(yield* run(wrap(script, "#n")), "#n")
        assert.deepStrictEqual(
          outcome,
          fails
            ? { _tag: "Failed", text: `${value} (:error; line 1)`.trim() }
            : { _tag: "Done", lines: [value], labels: [] }
        )
      }),
    { arbitrary: { runs: 1_000 } }
  )

  it.effect.prop(
    "every 64-bit integer comes back",
    [Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(1n << 63n), maximum: (1n << 63n) - 1n }))],
    ([value]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* run(ros`:put ${value}`), `${value}\r\n`)
      }),
    { arbitrary: { runs: 300 } }
  )

  it.prop(
    "any string is either refused or written in printable ASCII on one line",
    [Schema.String],
    ([value]) => {
      const line = render(ros`:put ${value}`)
      assert.isTrue(Result.isFailure(line) || /^[\x20-\x7e]+$/.test(line.success))
      assert.strictEqual(Result.isFailure(line), !/^[\x20-\x7e]*$/.test(value))
    },
    { arbitrary: { runs: 1_000 } }
  )
})
