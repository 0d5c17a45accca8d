import { Clock, Effect } from "effect"
import { RosError } from "../../menu/Menu.ts"
import type { Failure } from "../Frame.ts"
import { equal } from "../Relations.ts"
import { toText, typeName } from "../Text.ts"
import { code, isAbsent, type List, list, mixed, nil, nothing, num, str, time, type Value } from "../Value.ts"
import { argument, builtin, invalidArgument, numberArgument, optional, required, runArgument } from "./Builtin.ts"

const put = builtin(
  "put",
  [required("message")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    yield* invocation.frame.machine.emit(`${toText(yield* argument(invocation, "message"))}\r\n`)
    return nothing
  })
)

const length = (value: Value) => value._tag === "List" ? value.items.length + value.keyed.size : toText(value).length

/** Elements of an array by position: those without a key first. */
const entries = (value: List): ReadonlyArray<readonly [string | undefined, Value]> => [
  ...value.items.map((item) => [undefined, item] as const),
  ...value.keyed
]

/** From `begin` up to `end`, which is not part of it; without `end` one element or character. */
const pick = builtin(
  "pick",
  [required("value"), required("begin"), optional("end")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const value = yield* argument(invocation, "value")
    const begin = Number((yield* numberArgument(invocation, "begin")) ?? 0n)
    const end = yield* numberArgument(invocation, "end")
    if (begin < 0 || (end !== undefined && end < 0n)) return yield* invalidArgument(begin < 0 ? "begin" : "end")
    if (value._tag !== "List") return str(toText(value).slice(begin, end === undefined ? begin + 1 : Number(end)))
    const elements = entries(value)
    if (end === undefined) return elements[begin]?.[1] ?? nothing
    const chosen = elements.slice(begin, Number(end))
    return mixed(
      chosen.flatMap(([key, item]) => key === undefined ? [item] : []),
      chosen.flatMap(([key, item]) => key === undefined ? [] : [[key, item] as const])
    )
  })
)

/** Position after `from` (which is not looked at itself), the key of a keyed element, or nil. */
const find = builtin(
  "find",
  [required("in"), required("key"), optional("from")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const place = yield* argument(invocation, "in")
    const key = yield* argument(invocation, "key")
    const from = Number((yield* numberArgument(invocation, "from")) ?? -1n)
    if (place._tag !== "List") {
      const position = toText(place).indexOf(toText(key), from + 1)
      return position < 0 ? nil : num(position)
    }
    const position = entries(place).findIndex(([, item], index) => index > from && equal(item, key))
    const name = entries(place)[position]?.[0]
    return position < 0 ? nil : name === undefined ? num(position) : str(name)
  })
)

/** Longest array that `:range` makes. */
const maximumRange = 1_000_000n

const range = builtin(
  "range",
  [required("from"), required("to")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const from = (yield* numberArgument(invocation, "from")) ?? 0n
    const to = (yield* numberArgument(invocation, "to")) ?? 0n
    if (to - from >= maximumRange) return yield* invalidArgument("to")
    return list(Array.from({ length: Math.max(0, Number(to - from) + 1) }, (_, index) => num(from + BigInt(index))))
  })
)

const parse = builtin(
  "parse",
  [required("script")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const source = toText(yield* argument(invocation, "script"))
    const block = yield* Effect.mapError(
      Effect.fromResult(invocation.frame.machine.parse(source)),
      ({ message }) => new RosError({ message })
    )
    return code("script", block)
  })
)

const timeCommand = builtin(
  "time",
  [required("command", "block")],
  Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    const start = yield* Clock.currentTimeNanos
    yield* runArgument(invocation, "command")
    return time((yield* Clock.currentTimeNanos) - start)
  })
)

export const data = [
  put,
  pick,
  find,
  range,
  parse,
  timeCommand,
  builtin("len", [required("value")], (call) => Effect.map(argument(call, "value"), (value) => num(length(value)))),
  builtin(
    "typeof",
    [required("value")],
    (call) => Effect.map(argument(call, "value"), (value) => str(typeName(value)))
  ),
  builtin("nothing", [], () => Effect.succeed(nothing)),
  builtin(
    "timestamp",
    [],
    () => Effect.map(Clock.currentTimeMillis, (millis) => time(BigInt(Math.trunc(millis)) * 1_000_000n))
  ),
  builtin(
    "toarray",
    [required("value"), optional("delimiter")],
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      const value = yield* argument(invocation, "value")
      const delimiter = toText(yield* argument(invocation, "delimiter")) || ","
      if (value._tag === "List") return value
      if (isAbsent(value) || toText(value) === "") return list([])
      return value._tag === "Str" ? list(value.value.split(delimiter).map(str)) : list([value])
    })
  )
]
