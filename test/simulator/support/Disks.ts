import { Effect, Ref } from "effect"
import { bool, id, num, str, type Value } from "../../../src/simulator/language/Value.ts"
import { type MenuSpec, type PropertySpec, RosError, type Row } from "../../../src/simulator/menu/Menu.ts"

const properties: ReadonlyArray<PropertySpec> = [
  { name: "disabled", type: "bool", flag: "X", settable: "both" },
  { name: "block-device", type: "bool", flag: "B" },
  { name: "nvme-tcp-export", type: "bool", flag: "t", settable: "both" },
  { name: "type", type: "enum", values: ["file", "raid"], settable: "both", required: true },
  { name: "slot", type: "string", settable: "both" },
  { name: "comment", type: "string", settable: "both" },
  { name: "fs", type: "enum" },
  { name: "size", type: "count" },
  { name: "mount-filesystem", type: "bool", settable: "both" },
  { name: "nvme-tcp-server-port", type: "num", settable: "both" },
  { name: "file-path", type: "file", settable: "both" },
  { name: "file-size", type: "size", settable: "both" }
]

/** A row with an id and the properties given as text, boolean or number. */
export const row = (number: number, values: Readonly<Record<string, string | boolean | bigint>>): Row =>
  new Map([
    [".id", id(BigInt(number))] as const,
    ...Object.entries(values).map(([name, value]) => [name, valueOf(value)] as const)
  ])

const valueOf = (value: string | boolean | bigint): Value => {
  if (typeof value === "string") return str(value)
  return typeof value === "bigint" ? num(value) : bool(value)
}

/** A file disk as the device shows it. */
export const fileDisk = (number: number, slot: string, bytes = 1n << 40n): Row =>
  row(number, {
    "block-device": true,
    "nvme-tcp-export": true,
    type: "file",
    slot,
    fs: "-",
    size: bytes,
    "mount-filesystem": false,
    "nvme-tcp-server-port": 4420n,
    "file-path": `/raid10/${slot}.img`,
    "file-size": bytes
  })

/** The pool of those disks: it has properties that file disks lack, and the other way round. */
export const pool: Row = row(1, {
  "block-device": true,
  type: "raid",
  slot: "raid10",
  fs: "xfs",
  size: 16_003_143_565_312n
})

/** A menu like `/disk`, in memory; slots are unique. */
export const disks = (initial: ReadonlyArray<Row>) => {
  const rows = Ref.makeUnsafe(initial)
  const menu: MenuSpec = {
    path: "/disk",
    properties,
    columns: ["slot", "type", "fs", "size"],
    nameProperty: "slot",
    policy: { read: "read", write: "write" },
    rows: Ref.get(rows),
    add: Effect.fnUntraced(function*(given) {
      const all = yield* Ref.get(rows)
      const slot = given.get("slot")
      if (slot?._tag === "Str" && all.some((known) => textOf(known, "slot") === slot.value)) {
        return yield* new RosError({ message: "failure: already have disk with such slot" })
      }
      const number = id(BigInt(42 + all.length))
      yield* Ref.set(rows, [...all, new Map([[".id", number], ...given])])
      return number
    }),
    set: (item, given) =>
      Ref.update(rows, (all) => all.map((known) => isItem(known, item) ? new Map([...known, ...given]) : known)),
    remove: (item) => Ref.update(rows, (all) => all.filter((known) => !isItem(known, item))),
    commands: {
      monitor: {
        policy: "test",
        parameters: [{ name: "interval", type: "time" }],
        flags: ["once", "as-value"],
        positional: ["numbers"],
        items: true,
        run: (call) => Effect.as(call.emit(`${call.items.map((item) => textOf(item, "slot")).join(" ")}\r\n`), num(7))
      }
    }
  }
  return { menu, rows: Ref.get(rows) }
}

const isItem = (known: Row, item: Value) => {
  const own = known.get(".id")
  return own?._tag === "Id" && item._tag === "Id" && own.value === item.value
}

export const textOf = (known: Row, name: string): string => {
  const value = known.get(name)
  return value?._tag === "Str" ? value.value : ""
}
