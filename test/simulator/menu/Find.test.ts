import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool, row } from "../support/Disks.ts"

const odd = row(40, { type: "file", slot: "VM.a", comment: "owner=x", disabled: true })
const slots = (condition: string) =>
  Effect.suspend(() => {
    const { menu } = disks([pool, fileDisk(31, "vm-a"), fileDisk(32, "vm-b", 1n << 30n), odd])
    const line = `:foreach i in=[/disk/find ${condition}] do={ :put [/disk/get $i slot] }`
    return Effect.map(output(line, { menus: [menu] }), (text) => text.split("\r\n").filter((slot) => slot !== ""))
  })

const all = ["raid10", "vm-a", "vm-b", "VM.a"]

describe("find and where", () => {
  it.effect.each(
    [
      ["", all],
      ["where", all],
      ["slot=\"vm-a\"", ["vm-a"]],
      ["slot=vm-a", ["vm-a"]],
      ["where slot=\"vm-a\" or slot=\"VM.a\"", ["vm-a", "VM.a"]],
      ["where type=file and size>1073741824", ["vm-a"]],
      ["where type=file size=1073741824", ["vm-b"]],
      ["type=file slot=\"vm-b\"", ["vm-b"]],
      ["where nvme-tcp-export", ["vm-a", "vm-b"]],
      ["where !nvme-tcp-export", ["raid10", "VM.a"]],
      ["where nvme-tcp-export=yes", ["vm-a", "vm-b"]],
      ["disabled", ["VM.a"]],
      ["where comment", ["VM.a"]],
      ["where !comment and type=file", ["vm-a", "vm-b"]],
      ["where .id=*1F", ["vm-a"]],
      ["where (slot~\"vm\")=false", ["raid10", "VM.a"]],
      ["where slot~(\"^v\" . \"m\")", ["vm-a", "vm-b"]],
      ["where slot=\"nosuch\"", []]
    ] as const
  )("find %s", ([condition, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* slots(condition), [...expected])
    }))

  it.effect("trap: a variable named like a property compares the property with itself, so every row matches", () =>
    Effect.gen(function*() {
      const { menu } = disks([pool, fileDisk(31, "vm-a")])
      const count = (line: string) => output(line, { menus: [menu] })
      assert.strictEqual(yield* count(":local slot \"vm-a\"; :put [:len [/disk find where slot=$slot]]"), "2\r\n")
      assert.strictEqual(yield* count(":local slot \"vm-a\"; :put [:len [/disk find slot=$slot]]"), "2\r\n")
      assert.strictEqual(yield* count(":local wanted \"vm-a\"; :put [:len [/disk find where slot=$wanted]]"), "1\r\n")
    }))

  it.effect("trap: a pattern without anchors catches foreign slots", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* slots("where slot~\"a\""), ["raid10", "vm-a", "VM.a"])
      assert.deepStrictEqual(yield* slots("where slot~\"^vm-a\\$\""), ["vm-a"])
    }))

  it.effect("trap: a name escaped like a pattern matches nothing, and remove does nothing, silently", () =>
    Effect.gen(function*() {
      const { menu, rows } = disks([odd])
      const text = yield* output("/disk remove [find slot=\"VM\\\\.a\"]; :put done", { menus: [menu] })
      assert.strictEqual(text, "done\r\n")
      assert.lengthOf(yield* rows, 1)
    }))

  it.effect("a property that a row lacks is unequal to everything and in no order with anything", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* slots("where fs!=\"xfs\""), ["vm-a", "vm-b", "VM.a"])
      assert.deepStrictEqual(yield* slots("where fs=\"\""), [])
      assert.deepStrictEqual(yield* slots("where !(size>0)"), ["VM.a"])
      assert.deepStrictEqual(yield* slots("where fs~\".*\""), ["raid10", "vm-a", "vm-b"])
    }))

  it.effect("an address prefix does not compare with text, a number does", () =>
    Effect.gen(function*() {
      const { menu } = disks([row(1, { slot: "10.0.0.0/8", comment: "7" })])
      const count = (condition: string) => output(`:put [:len [/disk find where ${condition}]]`, { menus: [menu] })
      assert.strictEqual(yield* count("slot=10.0.0.0/8"), "0\r\n")
      assert.strictEqual(yield* count("slot=\"10.0.0.0/8\""), "1\r\n")
      assert.strictEqual(yield* count("comment=7"), "1\r\n")
    }))

  it.effect("a condition on something that is no property stops the line", () =>
    Effect.gen(function*() {
      const { menu } = disks([])
      const line = ":put a; /disk print where slot=\"x\" as-value"
      assert.strictEqual(yield* output(line, { menus: [menu] }), "expected end of command (line 1 column 36)\r\n")
    }))
})
