/** Plain text in a table: a bar would end the cell, and what looks like HTML or emphasis would vanish. */
export const plain = (text: string): string => text.replace(/\s+/g, " ").replace(/[|<>*_]/g, "\\$&")

/** Code in a table; only a bar has to be escaped there. Nothing stays nothing. */
export const code = (text: string): string => text === "" ? "" : `\`${text.replaceAll("|", "\\|")}\``

/** A table as the formatter leaves it: each column as wide as its widest cell. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(3, ...[title, ...rows.map((row) => row[i] ?? "")].map(length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, i) => padded(cells[i] ?? "", width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

const length = (text: string) => Array.from(text).length

const padded = (text: string, width: number) => text + " ".repeat(width - length(text))
