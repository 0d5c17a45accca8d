import { Result } from "effect"
import { parseNumber, parseTime } from "../language/Literal.ts"
import { toText } from "../language/Text.ts"
import { bool, isAbsent, num, str, time, type Value } from "../language/Value.ts"
import type { ParameterSpec } from "./Menu.ts"

const suffixed = /^(\d{1,19})([KMGTP])(?:iB)?$/

/**
 * The argument of a menu's command as the type of its parameter. `word` is the argument as written when it was a bare
 * word: then `slot=10` is text and `file-size=10M` ten mebibytes. Fails with the device's text.
 */
export const convert = (
  { name, type, values }: ParameterSpec,
  value: Value,
  word: string | undefined
): Result.Result<Value, string> => {
  const text = word ?? (isAbsent(value) ? "" : toText(value))
  switch (type) {
    case "string":
    case "file":
      return Result.succeed(str(text))
    case "enum":
      return values === undefined || values.includes(text)
        ? Result.succeed(str(text))
        : Result.fail(`input does not match any value of ${name}`)
    case "bool":
      return typed(name, value._tag === "Bool" ? value : truths.get(text))
    case "num":
    case "count":
      return typed(name, number(value, text))
    case "size":
      return typed(name, number(value, text) ?? size(text))
    case "time":
      return typed(name, value._tag === "Time" ? value : interval(text))
  }
}

const typed = (name: string, value: Value | undefined): Result.Result<Value, string> =>
  value === undefined ? Result.fail(`invalid value for argument ${name}`) : Result.succeed(value)

const truths: ReadonlyMap<string, Value> = new Map(
  [["yes", true], ["true", true], ["no", false], ["false", false]].map(([word, value]) => [
    String(word),
    bool(value === true)
  ])
)

const number = (value: Value, text: string): Value | undefined => {
  const parsed = value._tag === "Num" ? value.value : parseNumber(text)
  return parsed === undefined ? undefined : num(parsed)
}

const size = (text: string): Value | undefined => {
  const [, digits, unit] = suffixed.exec(text) ?? []
  return digits === undefined || unit === undefined
    ? undefined
    : num(BigInt(digits) << BigInt(("KMGTP".indexOf(unit) + 1) * 10))
}

/** A bare number counts seconds. */
const interval = (text: string): Value | undefined => {
  const nanos = parseTime(text) ?? parseTime(`${text}s`)
  return nanos === undefined ? undefined : time(nanos)
}
