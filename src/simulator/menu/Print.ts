import type { Value } from "../language/Value.ts"
import { pairText, valueText } from "./Forms.ts"
import type { PropertySpec, Row } from "./Menu.ts"
import { wrap } from "./Wrap.ts"

/** What `print` shows of a menu's rows. */
export interface Shown {
  /** All properties with a flag letter. */
  readonly flags: ReadonlyArray<PropertySpec>
  /** The other properties to be shown, in their order. */
  readonly properties: ReadonlyArray<PropertySpec>
  readonly rows: ReadonlyArray<Row>
  /** Item numbers, or ids with `show-ids`. */
  readonly labels: ReadonlyArray<string>
  /** Columns of the terminal, without a terminal as well. */
  readonly width: number
}

/**
 * `print detail`: numbered items of `name=value`, wrapped at the terminal's width wherever it falls, the legend first.
 */
export const detailText = (shown: Shown): string => {
  const lead = leadOf(shown)
  const items = shown.rows.map((row, index) => {
    const comment = row.get("comment")
    const pairs = present(shown, row).map(([property, value]) => pairText(property, value))
    const note = comment === undefined ? "" : valueText(commentProperty, comment)
    const body = wrap(pairs, shown.width, lead.width)
    const [first = "", ...rest] = note === "" ? body : [`;;; ${note}`, ...body]
    return lines([lead.of(index) + first, ...rest.map((line) => " ".repeat(lead.width) + line), ""])
  })
  return legend(shown) + items.join("")
}

/** `print terse`: one line an item, never wrapped. */
export const terseText = (shown: Shown): string => {
  const lead = leadOf(shown)
  return lines(
    shown.rows.map((row, index) =>
      lead.of(index) +
      present(shown, row).map(([property, value]) => `${property.name}=${valueText(property, value)}`).join(" ")
    )
  )
}

/** Plain `print`: a table; columns without any value are left out, text too wide for the terminal is cut. */
export const tableText = (shown: Shown): string => {
  const lead = leadOf(shown)
  const columns = shown.properties.filter(({ name }) => shown.rows.some((row) => row.has(name)))
  if (columns.length === 0) return legend(shown)
  const cells = shown.rows.map((row) => columns.map((property) => cell(property, row.get(property.name))))
  const heads = columns.map(({ name }) => name.toUpperCase())
  const widths = fit(
    heads.map((head, column) => Math.max(head.length, ...cells.map((line) => line[column]?.length ?? 0))),
    shown.width - lead.width
  )
  const line = (texts: ReadonlyArray<string>) =>
    texts.map((text, column) => aligned(text, widths[column] ?? 0, columns[column])).join("  ").trimEnd()
  const body = shown.rows.flatMap((row, index) => {
    const comment = row.get("comment")
    const note = comment === undefined ? "" : valueText(commentProperty, comment)
    return [...note === "" ? [] : [`;;; ${note}`], lead.of(index) + line(cells[index] ?? [])]
  })
  return legend(shown) + lines([
    ...wrap([`Columns:`, ...heads.map((head, index) => index + 1 < heads.length ? `${head},` : head)], shown.width, 0),
    "#".padStart(lead.labelWidth).padEnd(lead.width) + line(heads),
    ...body
  ])
}

/** `print value-list`: one line a property, one column an item. */
export const valueListText = ({ properties, rows }: Shown): string => {
  const used = properties.filter(({ name }) => rows.some((row) => row.has(name)))
  const pad = Math.max(0, ...used.map(({ name }) => name.length)) + 2
  const columns = rows.map((row) => used.map((property) => cell(property, row.get(property.name))))
  const widths = columns.map((texts) => Math.max(0, ...texts.map((text) => text.length)))
  return lines(
    used.map(({ name }, index) =>
      `${name.padStart(pad)}: ${columns.map((texts, row) => (texts[index] ?? "").padEnd(widths[row] ?? 0)).join(" ")}`
        .trimEnd()
    )
  )
}

const commentProperty: PropertySpec = { name: "comment", type: "file" }

const lines = (texts: ReadonlyArray<string>) => texts.map((text) => `${text}\r\n`).join("")

const cell = (property: PropertySpec, value: Value | undefined) => value === undefined ? "" : valueText(property, value)

const present = ({ properties }: Shown, row: Row) =>
  properties.flatMap((property) => {
    const value = row.get(property.name)
    return value === undefined || property.name === "comment" ? [] : [[property, value] as const]
  })

const isSet = (property: PropertySpec, row: Row) => {
  const value = row.get(property.name)
  return value?._tag === "Bool" && value.value
}

const letters = (shown: Shown, row: Row) =>
  shown.flags.filter((property) => isSet(property, row)).map(({ flag }) => flag).join("")

/** The legend names the flags that rows have; without rows it names all of them, and is printed all the same. */
const legend = (shown: Shown): string => {
  const used = shown.flags.filter((property) =>
    shown.rows.length === 0 || shown.rows.some((row) => isSet(property, row))
  )
  if (used.length === 0) return ""
  const names = used.map(({ flag, name }, index) =>
    `${flag} - ${name.toUpperCase()}${index + 1 < used.length ? ";" : ""}`
  )
  return lines(wrap(["Flags:", ...names], shown.width, 0))
}

/** Number and flag letters before each item, padded to one width. */
const leadOf = (shown: Shown) => {
  const labelWidth = Math.max(2, ...shown.labels.map((label) => label.length))
  const flagWidth = Math.max(0, ...shown.rows.map((row) => letters(shown, row).length))
  const width = labelWidth + 1 + (flagWidth === 0 ? 0 : flagWidth + 1)
  const of = (index: number) => {
    const row = shown.rows[index]
    const flags = row === undefined ? "" : letters(shown, row)
    return `${(shown.labels[index] ?? "").padStart(labelWidth)} ${flags}`.padEnd(width)
  }
  return { labelWidth, width, of }
}

/** Takes room from the widest columns until all of them and the gaps between them fit. */
const fit = (wanted: ReadonlyArray<number>, room: number): ReadonlyArray<number> => {
  const excess = wanted.reduce((sum, width) => sum + width + 2, -2) - room
  const widest = Math.max(...wanted)
  if (excess <= 0 || widest <= minimumColumn) return wanted
  const index = wanted.indexOf(widest)
  return fit(wanted.with(index, Math.max(minimumColumn, widest - excess)), room)
}

const minimumColumn = 6

const aligned = (text: string, width: number, property: PropertySpec | undefined) => {
  const shown = text.length > width ? `${text.slice(0, width - 3)}...` : text
  const number = property?.type === "num" || property?.type === "count" || property?.type === "size"
  return number ? shown.padStart(width) : shown.padEnd(width)
}
