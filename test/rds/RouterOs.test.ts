import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { join, render, ros, type RosScript, startingWith } from "../../src/rds/RouterOs.ts"

const text = (script: RosScript) => Result.getOrElse(render(script), ({ message }) => `refused: ${message}`)

describe("ros", () => {
  it("writes each kind of value as its literal", () => {
    assert.strictEqual(
      text(ros`/disk/add slot=${"pvc-1"} file-size=${1n << 40n} port=${4420} export=${true} mount=${false}`),
      "/disk/add slot=\"pvc-1\" file-size=1099511627776 port=4420 export=yes mount=no"
    )
  })

  it("escapes what has a meaning inside quotes, and nothing else", () => {
    assert.strictEqual(text(ros`:put ${"a\"b\\c$d [e] ;{f}#'?%"}`), String.raw`:put "a\"b\\c\$d [e] ;{f}#'?%"`)
  })

  it("a value cannot end its literal and start a command", () => {
    assert.strictEqual(
      text(ros`:put ${"\"; /file/remove [find]; :put \""}`),
      String.raw`:put "\"; /file/remove [find]; :put \""`
    )
  })

  it("becomes one physical line, since an exec takes no more (trap: multi-line commands over SSH)", () => {
    assert.strictEqual(
      text(ros`:if (true) do={
        :put ${"x"}
      }`),
      ":if (true) do={ :put \"x\" }"
    )
  })

  it("leaves RouterOS' own escapes of the template alone", () => {
    assert.strictEqual(text(ros`:put "\$5"`), String.raw`:put "\$5"`)
  })

  it("composes from other scripts, single and listed", () => {
    const condition = join([ros`slot=${"a"}`, ros`slot=${"b"}`], ros`or`)
    assert.strictEqual(text(ros`[/disk/find where ${condition}]`), "[/disk/find where slot=\"a\" or slot=\"b\"]")
    assert.strictEqual(text(ros`${[ros`:put 1`, ros`;`, ros`:put 2`]}`), ":put 1 ; :put 2")
    assert.strictEqual(text(join([], ros`;`)), "")
  })

  for (
    const [name, value] of [
      ["a line break", "a\nb"],
      ["a NUL", "a\0"],
      ["DEL", "\x7f"],
      ["a letter outside ASCII", "größe"],
      ["a lone surrogate", "\ud800"],
      ["a fraction", 1.5],
      ["a number that is not exact", 2 ** 53],
      ["infinity", Infinity],
      ["more than 64 bits", 1n << 63n]
    ] as const
  ) {
    it(`refuses ${name} as a value, wherever it is nested`, () => {
      assert.match(text(ros`:put ${value}`), /^refused: /)
      assert.match(text(ros`:do { ${[ros`:put ${1}`, ros`:put ${value}`]} }`), /^refused: /)
    })
  }
})

describe("startingWith", () => {
  it("anchors the pattern and takes every character as itself (trap: an unanchored regex catches foreign slots)", () => {
    const pattern = new RegExp(startingWith("nqn.2000-02.com.mikrotik:pvc-"))
    assert.isTrue(pattern.test("nqn.2000-02.com.mikrotik:pvc-1"))
    assert.isFalse(pattern.test("xnqn.2000-02.com.mikrotik:pvc-1"))
    assert.isFalse(pattern.test("nqn-2000-02-com-mikrotik:pvc-1"))
    const odd = "a.b*c+d?e^f$g{h}i(j)k|l[m]n\\o"
    assert.isTrue(new RegExp(startingWith(odd)).test(odd))
  })
})
