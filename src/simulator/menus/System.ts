import { Duration, Effect } from "effect"
import type { Device } from "../device/Device.ts"
import type { Power } from "../device/Power.ts"
import type { Volatile } from "../device/Volatile.ts"
import { bool, nothing, num, str, time } from "../language/Value.ts"
import type { CommandSpec, MenuSpec } from "../menu/Menu.ts"
import { dateText, row, textOf } from "./Values.ts"

const policy = { read: "read", write: "write" } as const

/** How long a device is away after `/system/reboot`. */
const rebootTime = Duration.seconds(30)

const mebibyte = 1n << 20n

/** `/system/resource` of an RDS2216 (RouterOS manual, Resource). */
const resource = (device: Device["Service"], memory: Volatile["Service"]): MenuSpec => ({
  path: "/system/resource",
  properties: [
    { name: "uptime", type: "time" },
    { name: "version", type: "file" },
    { name: "free-memory", type: "size" },
    { name: "total-memory", type: "size" },
    { name: "cpu", type: "file" },
    { name: "cpu-count", type: "num" },
    { name: "cpu-frequency", type: "num", text: (value) => value._tag === "Num" ? `${value.value}MHz` : "" },
    { name: "cpu-load", type: "num", text: (value) => value._tag === "Num" ? `${value.value}%` : "" },
    { name: "free-hdd-space", type: "size" },
    { name: "total-hdd-space", type: "size" },
    { name: "architecture-name", type: "file" },
    { name: "board-name", type: "file" },
    { name: "platform", type: "file" }
  ],
  columns: [],
  singleton: true,
  policy,
  rows: Effect.map(memory.uptime, (uptime) => [
    row(0, {
      uptime: time(BigInt(Math.floor(Duration.toSeconds(uptime))) * 1_000_000_000n),
      version: str(device.config.version),
      "free-memory": num(30_000n * mebibyte),
      "total-memory": num(32_768n * mebibyte),
      cpu: str("ARM64"),
      "cpu-count": num(16),
      "cpu-frequency": num(2000),
      "cpu-load": num(0),
      "free-hdd-space": num(100n * mebibyte),
      "total-hdd-space": num(128n * mebibyte),
      "architecture-name": str("arm64"),
      "board-name": str("RDS2216"),
      platform: str("MikroTik")
    })
  ])
})

const packages = (device: Device["Service"]): MenuSpec => ({
  path: "/system/package",
  properties: [
    { name: "disabled", type: "bool", flag: "X" },
    { name: "available", type: "bool", flag: "A" },
    { name: "name", type: "string" },
    { name: "version", type: "string" }
  ],
  columns: ["name", "version"],
  nameProperty: "name",
  policy,
  rows: Effect.sync(() =>
    ["routeros", ...device.config.packages].map((name, index) =>
      row(index + 1, {
        disabled: bool(false),
        available: bool(false),
        name: str(name),
        version: str(device.config.version.split(" ")[0] ?? "")
      })
    )
  )
})

const identity = (device: Device["Service"]): MenuSpec => ({
  path: "/system/identity",
  properties: [{ name: "name", type: "file", settable: "set" }],
  columns: [],
  singleton: true,
  policy,
  rows: Effect.map(device.state, (state) => [row(0, { name: str(state.identity) })]),
  set: (_item, given) =>
    device.change((state) =>
      Effect.succeed([undefined, { ...state, identity: textOf(given, "name") ?? state.identity }])
    )
})

const system = (power: Power["Service"]): MenuSpec => ({
  path: "/system",
  properties: [],
  columns: [],
  policy,
  rows: Effect.succeed([]),
  commands: {
    reboot: { policy: "reboot", parameters: [], run: () => Effect.as(power.reboot(rebootTime), nothing) }
  }
})

const log = (memory: Volatile["Service"]): MenuSpec => ({
  path: "/log",
  properties: [{ name: "time", type: "file" }, { name: "topics", type: "file" }, { name: "message", type: "string" }],
  columns: ["time", "topics", "message"],
  policy,
  rows: Effect.map(
    memory.lines,
    (lines) =>
      lines.map((line, index) =>
        row(index, { time: str(dateText(line.at)), topics: str(line.topics), message: str(line.message) })
      )
  ),
  commands: Object.fromEntries(["debug", "error", "info", "warning"].map((topic) => [topic, write(memory, topic)]))
})

/** `:log info message`. */
const write = (memory: Volatile["Service"], topic: string): CommandSpec => ({
  policy: "write",
  parameters: [{ name: "message", type: "string", required: true }],
  positional: ["message"],
  run: ({ arguments: given }) => Effect.as(memory.log(`script,${topic}`, textOf(given, "message") ?? ""), nothing)
})

/** What the device says about itself: resources, packages, name, log, and the command that restarts it. */
export const systemMenus = (
  device: Device["Service"],
  memory: Volatile["Service"],
  power: Power["Service"]
): ReadonlyArray<MenuSpec> => [
  system(power),
  resource(device, memory),
  packages(device),
  identity(device),
  log(memory)
]
