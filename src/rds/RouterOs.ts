import { Result, Schema } from "effect"

/** A value that cannot be written into a RouterOS script without changing. */
export class Unencodable extends Schema.TaggedError<Unencodable>()("Unencodable", { message: Schema.String }) {}

/** Not exported: `ros` is the only way to make one, so that no string is ever pasted into a command. */
class Script {
  readonly #text: Result.Result<string, Unencodable>
  constructor(text: Result.Result<string, Unencodable>) {
    this.#text = text
  }
  get text() {
    return this.#text
  }
}

/** A RouterOS script of one physical line, or the first value that could not be encoded into it. */
export type RosScript = Script

/**
 * Strings become quoted literals, numbers integers, booleans yes/no; scripts compose, a list of them one after another.
 */
export type RosValue = string | bigint | number | boolean | RosScript | ReadonlyArray<RosScript>

/**
 * A RouterOS script in which every value is encoded as a literal of the script language (RouterOS manual, Scripting:
 * Constant Escape Sequences). Line breaks and indentation of the template become single blanks, since an SSH exec takes
 * one physical line only; what a value holds stays as it is. Backslashes of the template are RouterOS' own. Total: a
 * value that has no literal (control or non-ASCII character, fraction, more than 64 bits) surfaces in {@link render}.
 */
export const ros = (template: TemplateStringsArray, ...values: ReadonlyArray<RosValue>): RosScript =>
  new Script(
    Result.map(
      Result.all(values.map(encode)),
      (literals) => template.raw.map((text, i) => onOneLine(text) + (literals[i] ?? "")).join("").trim()
    )
  )

/** The fragments with `separator` between them, e.g. ros`or`. */
export const join = (fragments: ReadonlyArray<RosScript>, separator: RosScript): RosScript =>
  ros`${fragments.flatMap((fragment, i) => i === 0 ? [fragment] : [separator, fragment])}`

/** The text of the script as a literal, for commands that run or keep a script. */
export const quoted = (script: RosScript): RosScript => new Script(Result.flatMap(script.text, encodeText))

/** The script to put a `;` behind: without those at its end, since nobody has seen what RouterOS makes of two. */
export const unended = (script: RosScript): RosScript =>
  new Script(Result.map(script.text, (text) => text.replace(/[;\s]+$/, "")))

/** The line to send, or the first value that could not be encoded. */
export const render = (script: RosScript): Result.Result<string, Unencodable> => script.text

/** An extended regular expression that matches texts with this beginning, for `where property~…`. */
export const startingWith = (text: string): string => `^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`

const onOneLine = (text: string) => text.replace(/\s*\n\s*/g, " ")

const encode = (value: RosValue): Result.Result<string, Unencodable> => {
  if (typeof value === "string") return encodeText(value)
  if (typeof value === "bigint") return encodeInteger(value)
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? Result.succeed(String(value)) : unencodable(`${value} is not an exact integer`)
  }
  if (typeof value === "boolean") return Result.succeed(value ? "yes" : "no")
  if (value instanceof Script) return value.text
  return Result.map(Result.all(value.map(render)), (texts) => texts.join(" "))
}

// `?` needs no escape since RouterOS 7.1; blanks, brackets, braces, `;`, `#` and `'` are literal inside quotes.
const encodeText = (text: string) =>
  /^[\x20-\x7e]*$/.test(text)
    ? Result.succeed(`"${text.replace(/[\\"$]/g, "\\$&")}"`)
    : unencodable(`${JSON.stringify(text)} holds a character other than printable ASCII`)

const encodeInteger = (value: bigint) =>
  BigInt.asIntN(64, value) === value ? Result.succeed(String(value)) : unencodable(`${value} has more than 64 bits`)

const unencodable = (message: string) => Result.fail(new Unencodable({ message }))
