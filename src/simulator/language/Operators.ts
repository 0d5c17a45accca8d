import { Result } from "effect"
import type { BinaryOperator, UnaryOperator } from "./Ast.ts"
import { parseNumber } from "./Literal.ts"
import { compare, equal, isIn, matches } from "./Relations.ts"
import { toText, typeName } from "./Text.ts"
import { bool, ip, isAbsent, type List, list, mixed, nothing, num, str, time, type Value } from "./Value.ts"

/** Fails with the text of the run-time error. */
export type Computed = Result.Result<Value, string>

const second = 1_000_000_000n

/** One operand before its operator. */
export const unary = (operator: UnaryOperator, operand: Value): Computed => {
  switch (operator) {
    case "!":
      return Result.map(truth(operand), (value) => bool(!value))
    case "-": {
      const value = arithmetic(operand)
      if (value._tag === "Time") return Result.succeed(time(-value.nanos))
      return value._tag === "Num" ? Result.succeed(num(-value.value)) : cannot("negate", operand)
    }
    case "~":
      if (operand._tag === "Ip") return Result.succeed(ip(~operand.value))
      return operand._tag === "Num" ? Result.succeed(num(~operand.value)) : cannot("invert bits of", operand)
  }
}

/** Two operands, both already evaluated: `&&` and `||` know no short cut either. */
export const binary = (operator: BinaryOperator, left: Value, right: Value): Computed => {
  switch (operator) {
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return calculate(operator, arithmetic(left), arithmetic(right))
    case ".":
      return concatenate(left, right)
    case ",":
      return join(left, right)
    case "=":
      return Result.succeed(bool(equal(left, right)))
    case "!=":
      return Result.succeed(bool(!equal(left, right)))
    case "<":
    case ">":
    case "<=":
    case ">=":
      return Result.map(compare(operator, left, right), bool)
    case "~":
      return Result.map(matches(left, right), bool)
    case "in":
      return Result.succeed(bool(isIn(left, right)))
    case "&&":
    case "||":
      return logical(operator, left, right)
    case "&":
    case "|":
    case "^":
    case "<<":
    case ">>":
      return bitwise(operator, left, right)
  }
}

/** The truth of a condition: booleans and numbers have one, absent values are false, text is an error. */
export const truth = (value: Value): Result.Result<boolean, string> => {
  if (value._tag === "Bool") return Result.succeed(value.value)
  if (value._tag === "Num") return Result.succeed(value.value !== 0n)
  return isAbsent(value) ? Result.succeed(false) : Result.fail("conditional is not boolean")
}

/** Whether a row passes: a property that is no boolean passes when it is there and not empty. */
export const holds = (value: Value): boolean =>
  value._tag === "Bool" ? value.value : !isAbsent(value) && toText(value) !== ""

const cannot = (verb: string, left: Value, right?: Value) =>
  Result.fail(`cannot ${verb} ${typeName(left)}${right === undefined ? "" : ` and ${typeName(right)}`}`)

/** Text that is a number counts as that number, and an absent value as 0. */
const arithmetic = (value: Value): Value => {
  if (isAbsent(value)) return num(0)
  const number = value._tag === "Str" ? parseNumber(value.value) : undefined
  return number === undefined ? value : num(number)
}

type Arithmetic = "+" | "-" | "*" | "/" | "%"

const verbs: Readonly<Record<Arithmetic, string>> = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "divide",
  "%": "divide"
}

const calculate = (operator: Arithmetic, left: Value, right: Value): Computed => {
  if (left._tag === "Num" && right._tag === "Num") {
    return Result.map(integers(operator, left.value, right.value), num)
  }
  const timed = intervals(operator, left, right)
  if (timed !== undefined) return timed
  if (left._tag === "Ip" && right._tag === "Num" && (operator === "+" || operator === "-")) {
    return Result.map(integers(operator, left.value, right.value), ip)
  }
  if (left._tag === "Ip" && right._tag === "Ip" && operator === "-") {
    return Result.succeed(num(left.value - right.value))
  }
  return cannot(verbs[operator], left, right)
}

const integers = (operator: Arithmetic, left: bigint, right: bigint): Result.Result<bigint, string> => {
  switch (operator) {
    case "+":
      return Result.succeed(left + right)
    case "-":
      return Result.succeed(left - right)
    case "*":
      return Result.succeed(left * right)
    case "/":
      return right === 0n ? Result.fail("division by zero") : Result.succeed(left / right)
    case "%":
      return right === 0n ? Result.fail("division by zero") : Result.succeed(left % right)
  }
}

/** Intervals add to intervals and to numbers of seconds, and scale by numbers. */
const intervals = (operator: Arithmetic, left: Value, right: Value): Computed | undefined => {
  if (left._tag === "Time" && right._tag === "Time") {
    const result = integers(operator, left.nanos, right.nanos)
    if (operator === "/") return Result.map(result, num)
    return operator === "*" ? undefined : Result.map(result, time)
  }
  const scaling = operator === "*" || operator === "/"
  if (left._tag === "Time" && right._tag === "Num") {
    return Result.map(integers(operator, left.nanos, scaling ? right.value : right.value * second), time)
  }
  if (left._tag === "Num" && right._tag === "Time" && operator !== "/" && operator !== "%") {
    return Result.map(integers(operator, operator === "*" ? left.value : left.value * second, right.nanos), time)
  }
  return undefined
}

/**
 * Characters of a text and elements of an array beyond which a script has lost its way: doubling in a loop gets there
 * fast.
 */
const maximumLength = 1 << 22
const outOfMemory = Result.fail("failure: out of memory")

/** One text of several. */
export const joinTexts = (texts: ReadonlyArray<string>): Computed =>
  texts.reduce((sum, text) => sum + text.length, 0) > maximumLength ? outOfMemory : Result.succeed(str(texts.join("")))

/** Joins the texts; an array is joined element by element. */
const concatenate = (left: Value, right: Value): Computed => {
  if (left._tag === "List") return mapElements(left, (item) => joinTexts([toText(item), toText(right)]))
  if (right._tag === "List") return mapElements(right, (item) => joinTexts([toText(left), toText(item)]))
  return joinTexts([toText(left), toText(right)])
}

const mapElements = (value: List, f: (item: Value) => Computed): Computed =>
  Result.gen(function*() {
    const items = yield* Result.all(value.items.map(f))
    const keyed = yield* Result.all(
      [...value.keyed].map(([key, item]) => Result.map(f(item), (to) => [key, to] as const))
    )
    return mixed(items, keyed)
  })

/** One array of the elements of both. */
const join = (left: Value, right: Value): Computed => {
  const [a, b] = [elements(left), elements(right)]
  if (a.items.length + b.items.length > maximumLength) return outOfMemory
  return Result.succeed(mixed([...a.items, ...b.items], [...a.keyed, ...b.keyed]))
}

const elements = (value: Value) => value._tag === "List" ? value : list(isAbsent(value) ? [] : [value])

const logical = (operator: "&&" | "||", left: Value, right: Value): Computed =>
  Result.flatMap(truth(left), (a) => Result.map(truth(right), (b) => bool(operator === "&&" ? a && b : a || b)))

const bitwise = (operator: "&" | "|" | "^" | "<<" | ">>", left: Value, right: Value): Computed => {
  const [a, b] = [arithmetic(left), arithmetic(right)]
  const bits = (value: Value) => value._tag === "Num" || value._tag === "Ip" ? value.value : undefined
  const [x, y] = [bits(a), bits(b)]
  if (x === undefined || y === undefined) return cannot("combine bits of", left, right)
  const result = {
    "&": () => x & y,
    "|": () => x | y,
    "^": () => x ^ y,
    "<<": () => x << shift(y),
    ">>": () => x >> shift(y)
  }
  return Result.succeed(a._tag === "Ip" ? ip(result[operator]()) : num(result[operator]()))
}

/** No shift is wider than a value: a wide one would only cost memory. */
const shift = (count: bigint) => BigInt.asUintN(6, count)

/** What `array->key` is: an element by index or key; nothing when there is none. */
export const elementAt = (array: Value, key: Value): Value => {
  if (array._tag !== "List") return nothing
  if (key._tag === "Num") return array.items[Number(key.value)] ?? nothing
  return array.keyed.get(toText(key)) ?? nothing
}

/** The array with one element replaced or added (`value` nothing: taken away); an absent array counts as empty. */
export const withElement = (array: Value, keys: ReadonlyArray<Value>, value: Value): Value => {
  const [key, ...rest] = keys
  if (key === undefined) return value
  const { items, keyed } = array._tag === "List" ? array : list([])
  const placed = withElement(elementAt(array, key), rest, value)
  const removes = placed._tag === "Nothing" && rest.length === 0
  if (key._tag === "Num") {
    const index = key.value < 0n || key.value > BigInt(items.length) ? items.length : Number(key.value)
    return mixed(items.toSpliced(index, 1, ...(removes ? [] : [placed])), keyed)
  }
  const others = [...keyed].filter(([name]) => name !== toText(key))
  return mixed(items, removes ? others : [...others, [toText(key), placed] as const])
}
