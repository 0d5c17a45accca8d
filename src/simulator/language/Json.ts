import { Result } from "effect"
import { parseTyped } from "./Literal.ts"
import { toText } from "./Text.ts"
import { bool, list, nothing, num, record, str, type Value } from "./Value.ts"

export interface JsonOptions {
  readonly pretty: boolean
  /** Without it text that reads as a number becomes one, with six decimals. */
  readonly noStringConversion: boolean
}

/**
 * `:serialize to=json`: keys are sorted, absent values are null, intervals (`"01:30:15"`), addresses and ids are
 * strings. An array with keys is an object, any elements without a key under their index.
 */
export const serialize = (value: Value, options: JsonOptions): string => write(value, options, "")

const write = (value: Value, options: JsonOptions, indent: string): string => {
  switch (value._tag) {
    case "Nothing":
    case "Nil":
    case "Code":
      return "null"
    case "Num":
    case "Bool":
      return toText(value)
    case "Str":
      return writeText(value.value, options)
    case "List":
      return writeList(value, options, indent)
    case "Time":
    case "Ip":
    case "IpPrefix":
    case "Id":
      return JSON.stringify(toText(value))
  }
}

const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

const writeText = (text: string, options: JsonOptions) =>
  !options.noStringConversion && numeric.test(text) ? Number(text).toFixed(6) : JSON.stringify(text)

const writeList = (value: Extract<Value, { _tag: "List" }>, options: JsonOptions, indent: string) => {
  const inner = `${indent}    `
  const items = value.items.map((item) => write(item, options, inner))
  if (value.keyed.size === 0) return wrap("[", items, "]", options, indent)
  const keyed = [...value.keyed].map(([key, item]) => [key, write(item, options, inner)] as const)
  const members = [...items.map((item, index) => [String(index), item] as const), ...keyed]
  const separator = options.pretty ? ": " : ":"
  return wrap("{", members.map(([key, item]) => JSON.stringify(key) + separator + item), "}", options, indent)
}

const wrap = (open: string, parts: ReadonlyArray<string>, close: string, options: JsonOptions, indent: string) =>
  options.pretty && parts.length > 0
    ? `${open}\r\n${parts.map((part) => `${indent}    ${part}`).join(",\r\n")}\r\n${indent}${close}`
    : `${open}${parts.join(",")}${close}`

/**
 * `:deserialize from=json`; a comma before a closing bracket is tolerated. Text is taken for what it looks like
 * (number, interval, address) unless `noStringConversion`. Fails with the text of the run-time error.
 */
export const deserialize = (text: string, options: JsonOptions): Result.Result<Value, string> => {
  const strict = text.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])/gs, (part) => part === "," ? "" : part)
  return Result.mapBoth(Result.try((): unknown => JSON.parse(strict)), {
    onFailure: () => "failure: invalid JSON",
    onSuccess: (parsed) => read(parsed, options)
  })
}

const read = (json: unknown, options: JsonOptions): Value => {
  if (typeof json === "boolean") return bool(json)
  if (typeof json === "number") return Number.isSafeInteger(json) ? num(json) : str(String(json))
  if (typeof json === "string") return (options.noStringConversion ? undefined : parseTyped(json)) ?? str(json)
  if (Array.isArray(json)) return list(json.map((item: unknown) => read(item, options)))
  if (typeof json !== "object" || json === null) return nothing
  return record(Object.entries(json).map(([key, item]: [string, unknown]) => [key, read(item, options)] as const))
}
