import { Duration, Effect } from "effect"
import { list, nothing, num, record, str, time, type Value } from "../language/Value.ts"
import { spacedText } from "../menu/Forms.ts"
import type { CommandSpec, Row } from "../menu/Menu.ts"
import { timeOf } from "./Values.ts"

const kinds = ["read", "write", "discard"] as const

// Nothing reads or writes a simulated disk, so the totals since boot are zero; the names and forms are the device's.
const countersOf = (row: Row): ReadonlyArray<readonly [string, Value]> => [
  ["slot", row.get("slot") ?? str("")],
  ...kinds.flatMap((kind): ReadonlyArray<readonly [string, Value]> => [
    [`${kind}-ops`, num(0)],
    [`${kind}-bytes`, num(0)],
    [`${kind}-merges`, num(0)],
    [`${kind}-time`, time(0n)],
    ...kind === "discard" ? [] : [[`${kind}-ops-per-second`, num(0)], [`${kind}-rate`, num(0)]] as const
  ]),
  ["in-flight-ops", num(0)],
  ["active-time", time(0n)],
  ["wait-time", time(0n)],
  ["flush-ops", num(0)],
  ["flush-time", time(0n)]
]

const textOf = ([name, value]: readonly [string, Value]): string => {
  if (value._tag === "Time") return "0s"
  if (value._tag !== "Num") return value._tag === "Str" ? value.value : ""
  return name.endsWith("-rate") ? `${value.value}bps` : spacedText(value.value)
}

const lines = (row: Row): string => {
  const counters = countersOf(row)
  const width = Math.max(...counters.map(([name]) => name.length))
  return counters.map((counter) => `${counter[0].padStart(width + 2)}: ${textOf(counter)}\r\n`).join("")
}

/** `/disk/monitor-traffic`: running totals and rates of an item, once or every `interval` (RouterOS manual, monitor-traffic). */
export const monitorTraffic: CommandSpec = {
  policy: "test",
  parameters: [{ name: "interval", type: "time" }, { name: "duration", type: "time" }],
  flags: ["once", "as-value"],
  positional: ["numbers"],
  items: true,
  run: Effect.fnUntraced(function*(call) {
    if (call.flags.has("as-value")) return list(call.items.map((row) => record(countersOf(row))))
    const print = Effect.forEach(call.items, (row) => call.emit(lines(row)), { discard: true })
    const interval = timeOf(call.arguments, "interval") ?? Duration.seconds(1)
    const duration = timeOf(call.arguments, "duration")
    const forever = Effect.forever(Effect.andThen(print, Effect.sleep(interval)))
    yield* call.flags.has("once")
      ? print
      : duration === undefined
      ? forever
      : Effect.timeoutOption(forever, duration)
    return nothing
  })
}
