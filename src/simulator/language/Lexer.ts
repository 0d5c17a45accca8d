import { Data, Result } from "effect"
import type { Position } from "./Ast.ts"

/** A line that the device refuses before it runs any of it. `message` is what the device shows, position included. */
export class SyntaxFailure extends Data.TaggedError("SyntaxFailure")<{ readonly message: string }> {}

/**
 * Cursor over RouterOS source. What is a token depends on the place (an argument, an expression, a string), so the
 * parser says what it looks for and the lexer answers at the current offset.
 */
export class Lexer {
  readonly source: string
  offset = 0
  /** Where each line starts; found when first asked for. */
  #lineStarts: ReadonlyArray<number> | undefined

  constructor(source: string) {
    this.source = source
  }

  /** Next character; empty at the end. */
  get next(): string {
    return this.source.charAt(this.offset)
  }

  get atEnd(): boolean {
    return this.offset >= this.source.length
  }

  /** Takes `text` if it comes next. */
  accept(text: string): boolean {
    if (!this.source.startsWith(text, this.offset)) return false
    this.offset += text.length
    return true
  }

  /** Takes what the sticky pattern matches here. */
  take(pattern: RegExp): string | undefined {
    const text = this.look(pattern)
    if (text !== undefined) this.offset += text.length
    return text
  }

  /** What the sticky pattern would match here. */
  look(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.offset
    return pattern.exec(this.source)?.[0]
  }

  /** Skips blanks and joined lines (a backslash at the end of a physical line). */
  skipBlanks(): void {
    this.take(/(?:[ \t]|\\(?:\r\n|\n|\r)[ \t]*)*/y)
  }

  /** Skips blanks and line ends: between `( )`, and between the elements of an array. */
  skipSpace(): void {
    this.take(/(?:\s|\\(?:\r\n|\n|\r))*/y)
  }

  /** Skips what may stand between statements: blanks, line ends, semicolons, comments. */
  skipSeparators(): void {
    this.take(/(?:[\s;]|#[^\r\n]*|\\(?:\r\n|\n|\r))*/y)
  }

  /** True where a command ends: `;`, line end, a closing bracket, the end of the source. */
  get atEndOfCommand(): boolean {
    return this.atEnd || ";\r\n]})".includes(this.next)
  }

  position(offset = this.offset): Position {
    this.#lineStarts ??= [0, ...Array.from(this.source.matchAll(/\r\n|\n|\r/g), (end) => end.index + end[0].length)]
    const line = this.#lineStarts.findLastIndex((start) => start <= offset)
    return { line: line + 1, column: offset - (this.#lineStarts[line] ?? 0) + 1 }
  }

  /** A failure with the position shown the way the device does. */
  fail(message: string, offset = this.offset): Result.Result<never, SyntaxFailure> {
    const { column, line } = this.position(offset)
    return Result.fail(new SyntaxFailure({ message: `${message} (line ${line} column ${column})` }))
  }
}
