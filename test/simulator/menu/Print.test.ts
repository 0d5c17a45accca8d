import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sizeText, spacedText } from "../../../src/simulator/menu/Forms.ts"
import type { MenuSpec } from "../../../src/simulator/menu/Menu.ts"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool, row } from "../support/Disks.ts"

const initial = [
  pool,
  fileDisk(31, "vm-storage-001"),
  row(32, { type: "file", slot: "b", comment: "a note", disabled: true })
]
const lines = (command: string, rows = initial, terminalWidth = 80) =>
  Effect.suspend(() =>
    Effect.map(output(command, { menus: [disks(rows).menu], terminalWidth }), (text) => {
      assert.notMatch(text, /(?<!\r)\n/)
      return text.split("\r\n").slice(0, -1)
    })
  )

describe("print for people", () => {
  it.effect("detail: legend, numbers, flags, quoted text, grouped digits, human sizes, wrapped lines", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* lines("/disk print detail"), [
        "Flags: X - DISABLED; B - BLOCK-DEVICE; t - NVME-TCP-EXPORT",
        " 0 B  type=raid slot=\"raid10\" fs=xfs size=16 003 143 565 312",
        "",
        " 1 Bt type=file slot=\"vm-storage-001\" fs=- size=1 099 511 627 776",
        "      mount-filesystem=no nvme-tcp-server-port=4420",
        "      file-path=/raid10/vm-storage-001.img file-size=1024.0GiB",
        "",
        " 2 X  ;;; a note",
        "      type=file slot=\"b\"",
        ""
      ])
    }))

  it.effect("a table, with the columns that have values", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* lines("/disk print"), [
        "Flags: X - DISABLED; B - BLOCK-DEVICE; t - NVME-TCP-EXPORT",
        "Columns: SLOT, TYPE, FS, SIZE",
        " #    SLOT            TYPE  FS                 SIZE",
        " 0 B  raid10          raid  xfs  16 003 143 565 312",
        " 1 Bt vm-storage-001  file  -     1 099 511 627 776",
        ";;; a note",
        " 2 X  b               file"
      ])
    }))

  it.effect("trap: the legend is printed without rows as well", () =>
    Effect.gen(function*() {
      const legend = "Flags: X - DISABLED; B - BLOCK-DEVICE; t - NVME-TCP-EXPORT"
      assert.deepStrictEqual(yield* lines("/disk print detail where slot=\"nosuch\""), [legend])
      assert.deepStrictEqual(yield* lines("/disk print", []), [legend])
    }))

  it.effect("trap: a long value is cut where the line ends, so reading a line loses its path", () =>
    Effect.gen(function*() {
      const text = yield* lines("/disk print detail", [fileDisk(1, "pvc-0f8c1e52-6d5b-4b3a-9a57-5b1d2f3c4d5e")], 60)
      assert.isTrue(text.every((line) => line.length <= 60))
      assert.isFalse(
        text.some((line) => line.includes("file-path=/raid10/pvc-0f8c1e52-6d5b-4b3a-9a57-5b1d2f3c4d5e.img"))
      )
      assert.include(text.map((line) => line.trim()).join(""), "pvc-0f8c1e52-6d5b-4b3a-9a57-5b1d2f3c4d5e.img")
    }))

  it.effect("a table too wide for the terminal is cut", () =>
    Effect.gen(function*() {
      const text = yield* lines("/disk print", [fileDisk(1, "x".repeat(70))], 60)
      assert.isTrue(text.every((line) => line.length <= 60))
      assert.match(text[3] ?? "", /x\.\.\. {2}file/)
    }))

  it.effect("terse, value-list, show-ids, proplist", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* lines("/disk print terse where slot=\"b\""), [" 0 X type=file slot=b"])
      assert.deepStrictEqual(yield* lines("/disk print value-list where slot=\"raid10\""), [
        "  type: raid",
        "  slot: raid10",
        "    fs: xfs",
        "  size: 16 003 143 565 312"
      ])
      assert.deepStrictEqual((yield* lines("/disk print show-ids proplist=slot"))[3], " *1 B  raid10")
      assert.deepStrictEqual(yield* lines("/disk print detail proplist=size,slot where type=raid"), [
        "Flags: B - BLOCK-DEVICE",
        " 0 B size=16 003 143 565 312 slot=\"raid10\"",
        ""
      ])
      assert.deepStrictEqual(yield* lines(":put a; /disk print proplist=nosuch"), [
        "input does not match any value of proplist"
      ])
    }))

  it.effect("a menu of settings is a list of names and values", () =>
    Effect.gen(function*() {
      const menu: MenuSpec = {
        path: "/system/resource",
        properties: [{ name: "version", type: "string" }, { name: "uptime", type: "time" }, {
          name: "free",
          type: "size"
        }],
        columns: [],
        singleton: true,
        policy: { read: "read", write: "write" },
        rows: Effect.succeed([row(0, { version: "7.24.4 (stable)", free: 1n << 31n })])
      }
      const show = (line: string) => output(line, { menus: [menu] })
      assert.strictEqual(yield* show("/system resource print"), "  version: 7.24.4 (stable)\r\n     free: 2.0GiB\r\n")
      assert.strictEqual(yield* show(":put [/system/resource/get version]"), "7.24.4 (stable)\r\n")
      assert.strictEqual(yield* show(":put ([/system/resource/print as-value]->\"free\")"), "2147483648\r\n")
      assert.strictEqual(yield* show("/system/resource/find"), "bad command name find (line 1 column 18)\r\n")
    }))
})

describe("print as-value", () => {
  it.effect("answers an array of maps, also for one row and for none, and shows nothing itself", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* lines("/disk print as-value"), [])
      assert.deepStrictEqual(yield* lines(":put [:len [/disk print as-value where slot=\"nosuch\"]]"), ["0"])
      const json =
        ":put [:serialize to=json options=json.no-string-conversion value=[/disk print detail as-value where slot=\"b\"]]"
      assert.deepStrictEqual(yield* lines(json), [
        "[{\".id\":\"*20\",\"comment\":\"a note\",\"disabled\":true,\"slot\":\"b\",\"type\":\"file\"}]"
      ])
      assert.deepStrictEqual(yield* lines(":put [:len ([/disk print detail as-value]->0->\"file-path\")]"), ["0"])
    }))

  it.effect("without detail only flags and columns are certain to be there; proplist chooses", () =>
    Effect.gen(function*() {
      const keys = (options: string) => lines(`:foreach k,v in=([/disk print as-value ${options}]->1) do={ :put $k }`)
      assert.deepStrictEqual(yield* keys(""), [".id", "block-device", "fs", "nvme-tcp-export", "size", "slot", "type"])
      assert.include(yield* keys("detail"), "file-size")
      assert.deepStrictEqual(yield* keys("proplist=file-size,slot"), [".id", "file-size", "slot"])
    }))
})

describe("numbers", () => {
  it("are grouped, and sizes change unit above 1024", () => {
    assert.deepStrictEqual([0n, 999n, 1000n, 1099511627776n].map(spacedText), [
      "0",
      "999",
      "1 000",
      "1 099 511 627 776"
    ])
    assert.deepStrictEqual([512n, 1n << 20n, 1n << 30n, 50n << 30n, 1n << 40n, 1536n << 30n, 3n << 50n].map(sizeText), [
      "512",
      "1024.0KiB",
      "1024.0MiB",
      "50.0GiB",
      "1024.0GiB",
      "1.5TiB",
      "3.0PiB"
    ])
  })
})
