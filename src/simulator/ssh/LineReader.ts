import { Effect } from "effect"
import { edit, emptyLine, insert, type Key, type Line, render } from "./LineEditor.ts"

/**
 * What is at the client's end. Its width changes with the client's window. It is interactive when the client asked for a
 * pseudo-terminal; a script that is piped in is read line by line, without prompts, echo or completion.
 */
export interface Terminal {
  width: number
  interactive: boolean
}

/** Where lines come from and what helps to write them. */
export interface LineReader {
  /** Lines that can be recalled, oldest first. */
  readonly history: ReadonlyArray<string>
  readonly nextKey: Effect.Effect<Key>
  readonly write: (text: string) => Effect.Effect<void>
  readonly terminal: Terminal
  /** Words that the text before the cursor may go on with. */
  readonly complete: (text: string) => ReadonlyArray<string>
}

/** A line that was entered, or why there is none: Ctrl-C, or the end of the input. */
export type Entered =
  | { readonly _tag: "Line"; readonly text: string }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Ended" }

/** Reads one line behind a prompt, with editing, history and completion. */
export const readLine = Effect.fnUntraced(function*(reader: LineReader, prompt: string): Effect.fn.Return<Entered> {
  let line = emptyLine
  while (true) {
    yield* reader.write(render(prompt, line, reader.terminal.width))
    const key = yield* reader.nextKey
    if (key._tag === "Character") {
      line = insert(line, key.character)
      continue
    }
    switch (key.name) {
      case "enter":
        yield* reader.write("\r\n")
        return { _tag: "Line", text: line.text }
      case "interrupt":
        yield* reader.write("\r\n")
        return { _tag: "Interrupted" }
      case "end-of-input":
        if (line.text === "") return { _tag: "Ended" }
        break
      case "tab":
        line = reader.terminal.interactive ? yield* completed(reader, line) : insert(line, "\t")
        break
      default:
        line = edit(line, key, reader.history)
    }
  }
})

/** Completes the word at the cursor as far as it is clear; shows what there is when it is not. */
const completed = Effect.fnUntraced(function*(reader: LineReader, line: Line) {
  const before = line.text.slice(0, line.at)
  const [word = ""] = /[^\s/:[\]{}();=]*$/.exec(before) ?? []
  const candidates = reader.complete(before).filter((candidate) => candidate.startsWith(word))
  const [first] = candidates
  if (first === undefined) return line
  const common = candidates.reduce(commonPrefix)
  if (common.length > word.length) {
    return insert(line, common.slice(word.length) + (candidates.length === 1 && !common.endsWith("=") ? " " : ""))
  }
  if (candidates.length > 1) yield* reader.write(`\r\n${candidates.join("  ")}\r\n`)
  return line
})

const commonPrefix = (a: string, b: string): string => {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return a.slice(0, length)
}
