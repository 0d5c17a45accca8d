import type { Value } from "./Value.ts"

const second = 1_000_000_000n
const day = 86_400n * second

/** Name of the type as `:typeof` answers it. A function given with `do=` is an array to the device. */
export const typeName = (value: Value): string => {
  switch (value._tag) {
    case "Nothing":
      return "nothing"
    case "Nil":
      return "nil"
    case "Num":
      return "num"
    case "Bool":
      return "bool"
    case "Str":
      return "str"
    case "Time":
      return "time"
    case "Ip":
      return "ip"
    case "IpPrefix":
      return "ip-prefix"
    case "Id":
      return "id"
    case "List":
      return "array"
    case "Code":
      return value.kind === "function" ? "array" : "code"
  }
}

/** Text of a value as `:put` and the `.` operator write it: absent values are empty, arrays are `1;2;key=value`. */
export const toText = (value: Value): string => {
  switch (value._tag) {
    case "Nothing":
    case "Nil":
      return ""
    case "Num":
      return value.value.toString()
    case "Bool":
      return value.value ? "true" : "false"
    case "Str":
      return value.value
    case "Time":
      return clockText(value.nanos)
    case "Ip":
      return ipText(value.value)
    case "IpPrefix":
      return `${ipText(value.value)}/${value.length}`
    case "Id":
      return `*${value.value.toString(16).toUpperCase()}`
    case "List":
      return [...value.items.map(toText), ...[...value.keyed].map(([key, item]) => `${key}=${toText(item)}`)].join(";")
    case "Code":
      return "(code)"
  }
}

/** Interval as scripts see it: `01:30:15`, `1w2d03:04:05`, `00:00:00.500`. */
const clockText = (nanos: bigint): string => {
  const { negative, days, rest } = split(nanos)
  const seconds = rest / second
  const pad = (n: bigint) => n.toString().padStart(2, "0")
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map(pad).join(":")
  const fraction = (rest % second).toString().padStart(9, "0")
  const shown = rest % second === 0n ? "" : `.${fraction.replace(/(000000|000)$/, "")}`
  return `${negative}${daysText(days)}${clock}${shown}`
}

/** Interval as `print` writes it: `1w2d3h4m5s`, `48s149ms`, `0s`. */
export const unitText = (nanos: bigint): string => {
  const { negative, days, rest } = split(nanos)
  const seconds = rest / second
  const parts: ReadonlyArray<readonly [bigint, string]> = [
    [seconds / 3600n, "h"],
    [(seconds / 60n) % 60n, "m"],
    [seconds % 60n, "s"],
    [(rest / 1_000_000n) % 1000n, "ms"],
    [(rest / 1000n) % 1000n, "us"],
    [rest % 1000n, "ns"]
  ]
  const text = daysText(days) + parts.filter(([n]) => n !== 0n).map(([n, unit]) => `${n}${unit}`).join("")
  return text === "" ? "0s" : negative + text
}

const split = (nanos: bigint) => {
  const size = nanos < 0n ? -nanos : nanos
  return { negative: nanos < 0n ? "-" : "", days: size / day, rest: size % day }
}

const daysText = (days: bigint) => (days >= 7n ? `${days / 7n}w` : "") + (days % 7n === 0n ? "" : `${days % 7n}d`)

const ipText = (value: bigint) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
