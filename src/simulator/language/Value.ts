import type { Block } from "./Ast.ts"

/** No value: an unset variable, an absent map key, the answer of a command that has none. `:typeof` says "nothing". */
export interface Nothing {
  readonly _tag: "Nothing"
}
/** The empty value `[]`, and what `:find` answers when it finds nothing. `:typeof` says "nil". */
export interface Nil {
  readonly _tag: "Nil"
}
/** 64-bit signed integer. */
export interface Num {
  readonly _tag: "Num"
  readonly value: bigint
}
export interface Bool {
  readonly _tag: "Bool"
  readonly value: boolean
}
export interface Str {
  readonly _tag: "Str"
  readonly value: string
}
/** Interval, in nanoseconds; may be negative. */
export interface Time {
  readonly _tag: "Time"
  readonly nanos: bigint
}
/** IPv4 address as an unsigned 32-bit number. */
export interface Ip {
  readonly _tag: "Ip"
  readonly value: bigint
}
/** IPv4 address with a prefix length. */
export interface IpPrefix {
  readonly _tag: "IpPrefix"
  readonly value: bigint
  readonly length: number
}
/** Internal number of an item, written `*2A`. */
export interface Id {
  readonly _tag: "Id"
  readonly value: bigint
}
/** Elements without a key in their order, then keyed elements; the device keeps those sorted by key. */
export interface List {
  readonly _tag: "List"
  readonly items: ReadonlyArray<Value>
  readonly keyed: ReadonlyMap<string, Value>
}
/** Code kept as a value: a function (`do={…}` given to `:local`/`:global`) or a script (the answer of `:parse`). */
export interface Code {
  readonly _tag: "Code"
  readonly kind: "function" | "script"
  readonly block: Block
}

/** A value of the RouterOS script language (RouterOS manual, Scripting: data types). */
export type Value = Nothing | Nil | Num | Bool | Str | Time | Ip | IpPrefix | Id | List | Code

export const nothing: Value = { _tag: "Nothing" }
export const nil: Value = { _tag: "Nil" }
/** The number cut to 64 bits, as the device's arithmetic does. */
export const num = (value: bigint | number): Value => ({ _tag: "Num", value: BigInt.asIntN(64, BigInt(value)) })
export const bool = (value: boolean): Value => ({ _tag: "Bool", value })
export const str = (value: string): Value => ({ _tag: "Str", value })
export const time = (nanos: bigint): Value => ({ _tag: "Time", nanos })
export const ip = (value: bigint): Value => ({ _tag: "Ip", value: BigInt.asUintN(32, value) })
export const ipPrefix = (value: bigint, length: number): Value => ({ _tag: "IpPrefix", value, length })
export const id = (value: bigint): Value => ({ _tag: "Id", value })
export const code = (kind: Code["kind"], block: Block): Value => ({ _tag: "Code", kind, block })

/** Array without keys. */
export const list = (items: ReadonlyArray<Value>): List => ({ _tag: "List", items, keyed: new Map() })

/** Array of keyed elements, kept sorted by key. */
export const record = (entries: Iterable<readonly [string, Value]>): List => mixed([], entries)

/** Array of elements without and with keys; the last of equal keys wins. */
export const mixed = (items: ReadonlyArray<Value>, entries: Iterable<readonly [string, Value]>): List => ({
  _tag: "List",
  items,
  keyed: new Map([...new Map(entries)].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0))
})

/** True for the two "there is no value" values. */
export const isAbsent = (value: Value): value is Nothing | Nil => value._tag === "Nothing" || value._tag === "Nil"
