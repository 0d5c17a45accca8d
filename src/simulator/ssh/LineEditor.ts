/** A key as a terminal sends it: a printable character, or the name of a control key. */
export type Key =
  | { readonly _tag: "Character"; readonly character: string }
  | { readonly _tag: "Control"; readonly name: ControlKey }

export type ControlKey =
  | "enter"
  | "tab"
  | "backspace"
  | "delete"
  | "left"
  | "right"
  | "up"
  | "down"
  | "home"
  | "end"
  | "kill-line"
  | "kill-end"
  | "interrupt"
  | "end-of-input"

const sequences: ReadonlyArray<readonly [string, ControlKey]> = [
  ["\x1b[A", "up"],
  ["\x1bOA", "up"],
  ["\x1b[B", "down"],
  ["\x1bOB", "down"],
  ["\x1b[C", "right"],
  ["\x1bOC", "right"],
  ["\x1b[D", "left"],
  ["\x1bOD", "left"],
  ["\x1b[H", "home"],
  ["\x1b[1~", "home"],
  ["\x1bOH", "home"],
  ["\x1b[F", "end"],
  ["\x1b[4~", "end"],
  ["\x1bOF", "end"],
  ["\x1b[3~", "delete"],
  ["\r\n", "enter"],
  ["\r", "enter"],
  ["\n", "enter"],
  ["\t", "tab"],
  ["\x7f", "backspace"],
  ["\b", "backspace"],
  ["\x01", "home"],
  ["\x05", "end"],
  ["\x15", "kill-line"],
  ["\x0b", "kill-end"],
  ["\x03", "interrupt"],
  ["\x04", "end-of-input"],
  ["\x10", "up"],
  ["\x0e", "down"]
]

/** Splits what a terminal sent into keys; sequences that mean nothing here are left out. */
export const keysOf = (input: string): ReadonlyArray<Key> => {
  const keys: Array<Key> = []
  let rest = input
  while (rest !== "") {
    const known = sequences.find(([sequence]) => rest.startsWith(sequence))
    // A sequence begins with ESC, may have a bracket or O, and ends with a letter or a tilde.
    const [unknown] = known === undefined ? /^(?:\x1b(?:[[O][0-9;]*[A-Za-z~]?)?|[\x00-\x1f])/.exec(rest) ?? [] : []
    if (known !== undefined) {
      keys.push({ _tag: "Control", name: known[1] })
      rest = rest.slice(known[0].length)
    } else if (unknown !== undefined) {
      rest = rest.slice(unknown.length)
    } else {
      const [character = ""] = rest
      keys.push({ _tag: "Character", character })
      rest = rest.slice(character.length)
    }
  }
  return keys
}

/** A line being edited. `at` is the cursor; `back` counts how far the history was walked; `draft` is what was typed before. */
export interface Line {
  readonly text: string
  readonly at: number
  readonly back: number
  readonly draft: string
}

export const emptyLine: Line = { text: "", at: 0, back: 0, draft: "" }

/** The line after a key that edits it; `history` is oldest first. Enter, tab, interrupt and end of input change nothing. */
export const edit = (line: Line, key: Key, history: ReadonlyArray<string>): Line => {
  if (key._tag === "Character") return insert(line, key.character)
  const { at, text } = line
  const before = text.slice(0, at)
  const after = text.slice(at)
  switch (key.name) {
    case "backspace":
      return { ...line, text: before.slice(0, -1) + after, at: Math.max(0, at - 1) }
    case "delete":
      return { ...line, text: before + after.slice(1) }
    case "left":
      return { ...line, at: Math.max(0, at - 1) }
    case "right":
      return { ...line, at: Math.min(text.length, at + 1) }
    case "home":
      return { ...line, at: 0 }
    case "end":
      return { ...line, at: text.length }
    case "kill-line":
      return { ...line, text: after, at: 0 }
    case "kill-end":
      return { ...line, text: before }
    case "up":
      return recall(line, line.back + 1, history)
    case "down":
      return recall(line, line.back - 1, history)
    default:
      return line
  }
}

/** The line with text put in at the cursor. */
export const insert = (line: Line, added: string): Line => ({
  ...line,
  text: line.text.slice(0, line.at) + added + line.text.slice(line.at),
  at: line.at + added.length
})

const recall = (line: Line, back: number, history: ReadonlyArray<string>): Line => {
  if (back < 0 || back > history.length) return line
  const draft = line.back === 0 ? line.text : line.draft
  const text = back === 0 ? draft : history[history.length - back] ?? ""
  return { text, at: text.length, back, draft }
}

/** What redraws the line on one row of the terminal, scrolled sideways so that the cursor is in sight. */
export const render = (prompt: string, line: Line, width: number): string => {
  const room = Math.max(8, width - prompt.length - 1)
  const start = Math.max(0, line.at - room)
  const shown = line.text.slice(start, start + room)
  const back = shown.length - (line.at - start)
  return `\r${prompt}${shown}\x1b[K${back > 0 ? `\x1b[${back}D` : ""}`
}
