import { Schema } from "effect"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** What happens to an answer on its way; `at` says where, in thousandths of it or as a number, `by` with what. */
export const Mangling = Schema.Struct({
  kind: Schema.Literals([
    "none",
    "cut",
    "line lost",
    "line twice",
    "verdict lost",
    "character",
    "type",
    "property",
    "foreign",
    "noise"
  ]),
  at: between(0, 999),
  by: between(0, 99)
})
export type Mangling = typeof Mangling.Type

/** Values that a property of RouterOS does not have, or not this one. */
const wrongValues = ["null", "7", "\"\"", "\"x\"", "[]", "{}", "-1", "[null]", "\"yes \"", "1e400"]

const property = /"([a-z.-]+)":("(?:[^"\\]|\\.)*"|[^,{}[\]]+)/g

/** The n-th match of the pattern, replaced; the text as it is when there is none. */
const replaceNth = (text: string, pattern: RegExp, n: number, make: (match: RegExpExecArray) => string) => {
  const matches = [...text.matchAll(pattern)]
  const match = matches[n % Math.max(1, matches.length)]
  return match === undefined
    ? text
    : text.slice(0, match.index) + make(match) + text.slice(match.index + match[0].length)
}

/**
 * Makes of an answer what arrives. With `keepsNames` no name of a volume becomes another: that a listing has another volume
 * instead cannot be told from its text.
 */
export const mangled = ({ at, by, kind }: Mangling, keepsNames: boolean) => (answer: string): string => {
  const lines = answer.split("\r\n").filter((line) => line !== "")
  const ended = (some: ReadonlyArray<string>) => some.map((line) => `${line}\r\n`).join("")
  const line = at % Math.max(1, lines.length)
  const position = Math.floor(answer.length * at / 1000)
  switch (kind) {
    case "none":
      return answer
    case "cut":
      return answer.slice(0, position)
    case "line lost":
      return ended(lines.toSpliced(line, 1))
    case "line twice":
      return ended(lines.toSpliced(line, 0, lines[line] ?? ""))
    case "verdict lost":
      return ended(lines.slice(0, -1))
    case "character": {
      const isName = keepsNames && /nqn\.[^"]*$/.test(answer.slice(0, position))
      return isName
        ? answer
        : answer.slice(0, position) + String.fromCharCode(32 + by % 95) + answer.slice(position + 1)
    }
    case "type":
      return replaceNth(answer, property, at, ([, name]) => `"${name}":${wrongValues[by % wrongValues.length]}`)
    case "property":
      return replaceNth(answer, property, at, ([, , value]) => `"other":${value}`)
    case "foreign":
      return by % 2 === 0 ? "rabcdefghij ok\r\n" : `disks []\r\nrabcdefghij ok disks\r\n`
    case "noise":
      return ended(lines.toSpliced(line, 0, "warning: something happened"))
  }
}
