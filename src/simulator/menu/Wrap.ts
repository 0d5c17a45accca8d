/**
 * Joins pieces with blanks into lines of at most `width` columns, of which the first `indent` are kept free for the
 * caller. A piece moves to the next line when it does not fit, but one longer than half a line is cut wherever the line
 * ends, inside of a quoted value too: whoever reads the text back must join the lines first.
 */
export const wrap = (pieces: ReadonlyArray<string>, width: number, indent: number): ReadonlyArray<string> => {
  const room = Math.max(8, width - indent)
  const lines: Array<string> = []
  let line = ""
  for (const piece of pieces) {
    let rest = line === "" ? piece : ` ${piece}`
    if (line.length + rest.length > room && piece.length <= room / 2) {
      lines.push(line)
      line = ""
      rest = piece
    }
    while (line.length + rest.length > room) {
      const cut = room - line.length
      lines.push((line + rest.slice(0, cut)).trimEnd())
      rest = rest.slice(cut).trimStart()
      line = ""
    }
    line += rest
  }
  return line === "" ? lines : [...lines, line]
}
