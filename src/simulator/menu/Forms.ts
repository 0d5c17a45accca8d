import { toText, unitText } from "../language/Text.ts"
import type { Value } from "../language/Value.ts"
import type { PropertySpec } from "./Menu.ts"

/** Digits in groups of three: `1 099 511 627 776`. */
export const spacedText = (number: bigint): string => number.toString().replace(/(?<=\d)(?=(?:\d{3})+$)/g, " ")

const units = ["KiB", "MiB", "GiB", "TiB", "PiB"]

/**
 * Bytes as the console writes them: one decimal, and the next unit only above 1024 of a unit (`1024.0GiB`, `50.0GiB`).
 */
export const sizeText = (bytes: bigint): string => {
  if (bytes <= 1024n) return bytes.toString()
  const step = units.findIndex((_, index) => bytes <= 1024n ** BigInt(index + 2))
  const index = step < 0 ? units.length - 1 : step
  const tenths = (bytes * 10n + 1024n ** BigInt(index + 1) / 2n) / 1024n ** BigInt(index + 1)
  return `${tenths / 10n}.${tenths % 10n}${units[index] ?? ""}`
}

/** A property's value as `print` writes it, without quotes. */
export const valueText = (property: PropertySpec, value: Value): string => {
  if (property.text !== undefined) return property.text(value)
  if (value._tag === "Bool") return value.value ? "yes" : "no"
  if (value._tag === "Time") return unitText(value.nanos)
  if (value._tag !== "Num") return toText(value)
  if (property.type === "count") return spacedText(value.value)
  return property.type === "size" ? sizeText(value.value) : toText(value)
}

/** `name=value` as `print detail` writes it: free text in quotes, everything else bare, blanks included. */
export const pairText = (property: PropertySpec, value: Value): string => {
  const text = valueText(property, value)
  return property.type === "string" && property.text === undefined
    ? `${property.name}="${text.replace(/["\\$]/g, "\\$&")}"`
    : `${property.name}=${text}`
}
