import { Result } from "effect"
import { parseNumber } from "./Literal.ts"
import { toText, typeName } from "./Text.ts"
import { type IpPrefix, isAbsent, type Value } from "./Value.ts"

/**
 * `=`: a number equals text that reads as that number, an id equals its text; other types do not convert. Absent values
 * are equal to each other only.
 */
export const equal = (left: Value, right: Value): boolean => {
  if (isAbsent(left) || isAbsent(right)) return isAbsent(left) && isAbsent(right)
  if (left._tag === "List" && right._tag === "List") return equalLists(left, right)
  if (left._tag === "List" || right._tag === "List") return equalText(left, right)
  if (left._tag === right._tag) return typeName(left) === typeName(right) && toText(left) === toText(right)
  const [text, other] = left._tag === "Str" ? [left.value, right] : right._tag === "Str" ? [right.value, left] : []
  if (other?._tag === "Num") return parseNumber(text ?? "") === other.value
  return other?._tag === "Id" && toText(other) === text
}

/** An array equals the text it is written as, so that `[find …] = ""` asks whether nothing was found. */
const equalText = (left: Value, right: Value): boolean =>
  (left._tag === "Str" || right._tag === "Str") && toText(left) === toText(right)

const equalLists = (left: Extract<Value, { _tag: "List" }>, right: Extract<Value, { _tag: "List" }>): boolean => {
  const same = (a: Value | undefined, b: Value | undefined) => a !== undefined && b !== undefined && equal(a, b)
  return left.items.length === right.items.length && left.keyed.size === right.keyed.size &&
    left.items.every((item, index) => same(item, right.items[index])) &&
    [...left.keyed].every(([key, item]) => same(item, right.keyed.get(key)))
}

const orders = {
  "<": (order: number) => order < 0,
  ">": (order: number) => order > 0,
  "<=": (order: number) => order <= 0,
  ">=": (order: number) => order >= 0
}
const orderWords = { "<": "less than", ">": "more than", "<=": "less or equal than", ">=": "more or equal than" }

/** Order exists among numbers, intervals, addresses and ids; with an absent value it is false; text has none. */
export const compare = (operator: keyof typeof orders, left: Value, right: Value): Result.Result<boolean, string> => {
  if (isAbsent(left) || isAbsent(right)) return Result.succeed(false)
  const [a, b] = [magnitude(left, right), magnitude(right, left)]
  if (a === undefined || b === undefined) {
    return Result.fail(`cannot compare if ${typeName(left)} is ${orderWords[operator]} ${typeName(right)}`)
  }
  return Result.succeed(orders[operator](a < b ? -1 : a > b ? 1 : 0))
}

const magnitude = (value: Value, other: Value): bigint | undefined => {
  if (value._tag === "Str") return other._tag === "Num" ? parseNumber(value.value) : undefined
  if (value._tag === "Time") return other._tag === "Time" ? value.nanos : undefined
  const comparable = value._tag === "Num" || value._tag === "Ip" || value._tag === "Id"
  return comparable && (other._tag === value._tag || other._tag === "Str") ? value.value : undefined
}

const classes: Readonly<Record<string, string>> = {
  alpha: "a-zA-Z",
  digit: "0-9",
  alnum: "a-zA-Z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: "\\s",
  punct: "!-\\/:-@\\[-`{-~",
  xdigit: "0-9a-fA-F"
}

/**
 * `~`: whether the pattern, a POSIX extended regular expression, matches anywhere in the text. An absent value matches
 * nothing.
 */
export const matches = (text: Value, pattern: Value): Result.Result<boolean, string> => {
  if (isAbsent(text) || isAbsent(pattern)) return Result.succeed(false)
  const source = toText(pattern).replace(/\[:([a-z]+):\]/g, (whole, name: string) => classes[name] ?? whole)
  return Result.mapError(
    Result.try(() => new RegExp(source, "s").test(toText(text))),
    () => "invalid regular expression"
  )
}

/** `in`: an address or prefix within a prefix, or a value among the elements of an array. */
export const isIn = (left: Value, right: Value): boolean => {
  if (right._tag === "List") return right.items.some((item) => equal(left, item))
  if (right._tag !== "IpPrefix") return false
  if (left._tag === "Ip") return masked(left.value, right) === masked(right.value, right)
  return left._tag === "IpPrefix" && left.length >= right.length &&
    masked(left.value, right) === masked(right.value, right)
}

const masked = (address: bigint, { length }: IpPrefix) => address >> BigInt(32 - length)
