import { DateTime, Duration } from "effect"
import { toText } from "../language/Text.ts"
import { id, type Value } from "../language/Value.ts"
import type { Arguments, PropertySpec, Row } from "../menu/Menu.ts"

/** An item of that number with those properties; undefined = it does not have the property. */
export const row = (number: number, properties: { readonly [name: string]: Value | undefined }): Row => {
  const values = new Map<string, Value>([[".id", id(BigInt(number))]])
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) values.set(name, value)
  }
  return values
}

/**
 * The rows of items, made anew only for what changed since. Items and lists of them are never changed in place, and a list
 * of a thousand is read by every command that looks for one of them.
 */
export const cached = <A extends object>(rowOf: (item: A) => Row): (items: ReadonlyArray<A>) => ReadonlyArray<Row> => {
  const rows = new WeakMap<A, Row>()
  const lists = new WeakMap<ReadonlyArray<A>, ReadonlyArray<Row>>()
  const rowFor = (item: A) => {
    const known = rows.get(item) ?? rowOf(item)
    rows.set(item, known)
    return known
  }
  return (items) => {
    const known = lists.get(items) ?? items.map(rowFor)
    lists.set(items, known)
    return known
  }
}

/** Arguments as plain values: undefined when not given or of another type, which conversion by the menu rules out. */
export const textOf = (given: Arguments, name: string): string | undefined => {
  const value = given.get(name)
  return value?._tag === "Str" ? value.value : undefined
}

export const boolOf = (given: Arguments, name: string): boolean | undefined => {
  const value = given.get(name)
  return value?._tag === "Bool" ? value.value : undefined
}

export const numOf = (given: Arguments, name: string): bigint | undefined => {
  const value = given.get(name)
  return value?._tag === "Num" ? value.value : undefined
}

export const timeOf = (given: Arguments, name: string): Duration.Duration | undefined => {
  const value = given.get(name)
  return value?._tag === "Time" ? Duration.nanos(value.nanos) : undefined
}

/** A property of several values, which `print` separates with commas. */
export const several = (name: string): PropertySpec => ({
  name,
  type: "file",
  text: (value) => value._tag === "List" ? value.items.map(toText).join(",") : toText(value)
})

/** Number behind an item's ".id". */
export const idNumber = (value: Value | undefined): number => value?._tag === "Id" ? Number(value.value) : -1

/** Only the entries that have a value. */
export const present = <A extends object>(values: { readonly [K in keyof A]: A[K] | undefined }): Partial<A> => {
  const kept: Partial<A> = {}
  for (const key in values) {
    const value = values[key]
    if (value !== undefined) kept[key] = value
  }
  return kept
}

/** `2025-11-11 14:32:41`, as `/file` and `/log` write times; the device's clock runs in UTC. */
export const dateText = (millis: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(millis)).slice(0, 19).replace("T", " ")
