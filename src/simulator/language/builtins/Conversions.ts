import { Effect } from "effect"
import { parseId, parseIp, parseNumber, parseTime } from "../Literal.ts"
import { toText } from "../Text.ts"
import { bool, id, ip, nil, num, str, time, type Value } from "../Value.ts"
import { argument, builtin, required } from "./Builtin.ts"

const second = 1_000_000_000n

/** What cannot be converted becomes nil, without an error. */
const conversion = (name: string, convert: (value: Value) => Value | undefined) =>
  builtin(name, [required("value")], (call) => Effect.map(argument(call, "value"), (value) => convert(value) ?? nil))

const from = <A>(value: A | undefined, make: (value: A) => Value) => value === undefined ? undefined : make(value)

export const conversions = [
  conversion("tostr", (value) => str(toText(value))),
  conversion("tonum", (value) => {
    if (value._tag === "Num") return value
    if (value._tag === "Time") return num(value.nanos / second)
    if (value._tag === "Ip") return num(value.value)
    return value._tag === "Str" ? from(parseNumber(value.value), num) : undefined
  }),
  // Text is not converted, "yes" and "true" included.
  conversion("tobool", (value) => {
    if (value._tag === "Bool") return value
    return value._tag === "Num" ? bool(value.value !== 0n) : undefined
  }),
  conversion("toid", (value) => {
    if (value._tag === "Id") return value
    return value._tag === "Num" ? id(value.value) : from(parseId(toText(value)), id)
  }),
  conversion("totime", (value) => {
    if (value._tag === "Time") return value
    if (value._tag === "Num") return time(value.value * second)
    return value._tag === "Str" ? from(parseTime(value.value), time) : undefined
  }),
  conversion("toip", (value) => {
    if (value._tag === "Ip") return value
    if (value._tag === "IpPrefix") return ip(value.value)
    return value._tag === "Str" ? from(parseIp(value.value), ip) : undefined
  }),
  conversion("tonsec", (value) => value._tag === "Time" ? num(value.nanos) : undefined)
]
