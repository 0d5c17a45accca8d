import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { edit, emptyLine, insert, keysOf, type Line, render } from "../../../src/simulator/ssh/LineEditor.ts"

const type = (text: string, start: Line = emptyLine, history: ReadonlyArray<string> = []) =>
  keysOf(text).reduce((line, key) => edit(line, key, history), start)

describe("line editor", () => {
  it.each([
    ["abc\x7fd", "abd", 3],
    ["abc\x1b[D\x1b[DX", "aXbc", 2],
    ["abc\x01X\x05Y", "XabcY", 5],
    ["abc\x1b[D\x0b", "ab", 2],
    ["abc\x1b[D\x15", "c", 0],
    ["abc\x1b[H\x1b[3~", "bc", 0],
    ["\x7fa\x1b[C\x1b[C", "a", 1],
    ["a\x1b[5~\x1b[15~\x07b", "ab", 2],
    ["größe😀\x1b[D\x1b[D", "größe😀", 5]
  ])("after %j it is %j", (typed, text, at) => {
    const line = type(typed)
    assert.deepStrictEqual([line.text, line.at], [text, at])
  })

  it("walks the history and comes back to what was being typed", () => {
    const history = ["first", "second"]
    assert.strictEqual(type("dra\x1b[A", emptyLine, history).text, "second")
    assert.strictEqual(type("dra\x1b[A\x1b[A\x1b[A", emptyLine, history).text, "first")
    assert.strictEqual(type("dra\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B", emptyLine, history).text, "dra")
  })

  it("shows the part of a long line that the cursor is in", () => {
    const line = insert(emptyLine, "x".repeat(50) + "end")
    assert.include(render("> ", line, 20), "end")
    assert.isBelow(render("> ", line, 20).length, 30)
    assert.include(render("> ", { ...line, at: 0 }, 20), "> xxx")
  })

  it.prop("never leaves its line, whatever is typed", { typed: Schema.String }, ({ typed }) => {
    const line = type(typed, emptyLine, ["old"])
    assert.isTrue(line.at >= 0 && line.at <= line.text.length)
  })
})
