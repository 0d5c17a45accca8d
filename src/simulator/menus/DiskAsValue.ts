import { str, type Value } from "../language/Value.ts"
import { sizeText, spacedText } from "../menu/Forms.ts"
import type { Row } from "../menu/Menu.ts"
import type { Unsure } from "../Unsure.ts"
import { idNumber } from "./Values.ts"

/**
 * Rows as `print as-value` answers them, where nobody has seen the answer for a file disk: a property may be missing, and
 * sizes may come as text.
 */
export const diskAsValue = (unsure: Unsure): (row: Row) => Row => {
  const missing = (row: Row): string | undefined => {
    switch (unsure.asValueGaps) {
      case "alternate":
        return idNumber(row.get(".id")) % 2 === 1 ? "file-size" : "size"
      case "none":
        return undefined
      default:
        return unsure.asValueGaps
    }
  }
  const asText = ([name, value]: readonly [string, Value]): readonly [string, Value] => {
    if (value._tag !== "Num" || unsure.asValueSizes === "number") return [name, value]
    if (name === "size" || name === "free") return [name, str(spacedText(value.value))]
    return name === "file-size" ? [name, str(sizeText(value.value))] : [name, value]
  }
  return (row) => {
    const isFile = row.has("file-path")
    const gap = isFile ? missing(row) : undefined
    return new Map([...row].filter(([name]) => name !== gap).map(asText))
  }
}
