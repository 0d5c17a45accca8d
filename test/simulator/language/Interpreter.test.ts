import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Interpreter } from "../../../src/simulator/language/Interpreter.ts"
import { makeSession } from "../../../src/simulator/language/Session.ts"
import type { Value } from "../../../src/simulator/language/Value.ts"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool } from "../support/Disks.ts"

describe("running a line", () => {
  it.effect(":delay waits by the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(output(":delay 3s; :put [:time { :delay 500ms }]; :delay 1"))
      yield* TestClock.adjust("4400 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "00:00:00.500\r\n")
    }))

  it.effect("interruption stops between two commands", () =>
    Effect.gen(function*() {
      const { menu, rows } = disks([pool])
      const fiber = yield* Effect.forkChild(
        output("/disk add type=file slot=a; :delay 1s; /disk add type=file slot=b", { menus: [menu] })
      )
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* rows, 2)
    }))

  it.effect.each([":while (true) do={}", ":global f do={ :global f; $f; $f }; $f", ":for i from=1 to=2 step=0 do={}"])(
    "%s ends, and no handler in the script keeps it alive",
    (line) =>
      Effect.gen(function*() {
        const text = yield* output(`:while (true) do={ :onerror e in={ ${line} } do={} }`, { stepLimit: 5000 })
        assert.strictEqual(text, "failure: script takes too long\r\n")
      })
  )

  it.effect("text that doubles for ever is an error, not the end of the process", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* output(":local s x; :while (true) do={ :set s \"$s$s\" }"),
        "failure: out of memory\r\n"
      )
      const list = ":local s {1;2}; :while (true) do={ :set s ($s , $s) }"
      assert.strictEqual(yield* output(list), "failure: out of memory\r\n")
    }))
})

describe("between lines", () => {
  it.effect("globals stay on the device, locals end with the line", () =>
    Effect.gen(function*() {
      const globals = new Map<string, Value>()
      assert.strictEqual(yield* output(":global g 5; :local l 6", { globals }), "")
      assert.strictEqual(yield* output(":put $g", { globals }), "5\r\n")
      assert.strictEqual(yield* output(":put $l", { globals }), "syntax error (line 1 column 7)\r\n")
      assert.strictEqual(yield* output(":set g; :put [:typeof $g]", { globals }), "nothing\r\n")
      assert.strictEqual(globals.size, 0)
    }))

  it.effect("a login keeps its menu and the numbers of its last print; an exec request has neither", () =>
    Effect.gen(function*() {
      const { menu } = disks([pool, fileDisk(31, "vm-a"), fileDisk(32, "vm-b")])
      const session = makeSession()
      const type = (line: string) => output(line, { menus: [menu], session })
      yield* type("/disk")
      assert.strictEqual(session.menu, "/disk")
      yield* type("print where type=file")
      assert.strictEqual(yield* type(":put [get 1 slot]"), "vm-b\r\n")
      yield* type("..")
      assert.strictEqual(session.menu, "/")
      assert.strictEqual(yield* output(":put [/disk get 1 slot]", { menus: [menu] }), "no such item (4)\r\n")
      yield* type("/disk print; { /disk }")
      assert.strictEqual(session.menu, "/")
    }))
})

describe("completion", () => {
  const { menu } = disks([])
  const complete = (text: string, path = "/") => Interpreter.complete(text, [menu], { ...makeSession(), menu: path })

  it("offers menus and commands, by the menu of the prompt", () => {
    assert.deepStrictEqual(complete("/di"), ["disk"])
    assert.deepStrictEqual(complete(":put [/disk/re"), ["remove"])
    assert.deepStrictEqual(complete("/disk s"), ["set"])
    assert.deepStrictEqual(complete("ge", "/disk"), ["get"])
    assert.include(complete(""), "disk")
    assert.include(complete(":"), "foreach")
  })

  it("offers parameters, their values and the words of a command", () => {
    assert.deepStrictEqual(complete("/disk add file-"), ["file-path=", "file-size="])
    assert.deepStrictEqual(complete("/disk add type="), ["file", "raid"])
    assert.deepStrictEqual(complete("/disk print w"), ["where", "without-paging"])
    assert.deepStrictEqual(complete("/disk nosuch x"), [])
  })
})
