import { Data, Effect } from "effect"
import type { Value } from "../language/Value.ts"

/**
 * A run-time error of a command. `message` is the text the device shows, e.g. "failure: already have such slot".
 * Scripts can catch it (`:onerror`, `:do … on-error=`); uncaught, it ends the script and is printed; the exit status
 * stays 0.
 */
export class RosError extends Data.TaggedError("RosError")<{ readonly message: string }> {}

/** What the device says when an item given by number, id or name does not exist. */
export const noSuchItem = new RosError({ message: "no such item (4)" })

/** What the device says when the user's group lacks the policy that a command needs. */
export const notPermitted = new RosError({ message: "not enough permissions (9)" })

/** A right that a user's group may grant (RouterOS manual, User: policies), as far as commands here ask for one. */
export type Policy = (typeof policies)[number]
export const policies = ["read", "write", "test", "reboot", "policy", "sensitive", "ftp", "ssh"] as const

/**
 * How an argument's text becomes a value, and how a value is written by `print`:
 * - string: free text, quoted in `detail`;  file: free text, not quoted
 * - bool: yes/no (true/false)               enum: one of `values`
 * - num: integer                            time: interval
 * - count: integer written in groups of three digits, as in 1 099 511 627 776
 * - size: bytes; takes the binary suffixes K M G T (and KiB …), written as 1024.0MiB
 */
export type PropertyType = "string" | "file" | "bool" | "enum" | "num" | "count" | "time" | "size"

export interface ParameterSpec {
  readonly name: string
  readonly type: PropertyType
  /** Allowed words of an enum. */
  readonly values?: ReadonlyArray<string>
  /** Its absence is an error found before the line runs. */
  readonly required?: boolean
}

export interface PropertySpec extends ParameterSpec {
  /** Letter in the flags column of `print`. A property with a letter is of type bool and shown as that letter. */
  readonly flag?: string
  /** Written with its value as well as by its letter. */
  readonly spelled?: boolean
  /** Commands that take it as an argument; absent = read-only. `required` applies to `add`. */
  readonly settable?: "add" | "set" | "both"
  /** Text form in `print`; without it the form of the type is used. */
  readonly text?: (value: Value) => string
  /** Left out of `print` text forms (as-value still has it). */
  readonly hidden?: boolean
}

/**
 * One item: property name → value. ".id" is always there (a Value of tag Id); a property the item does not have is
 * absent.
 */
export type Row = ReadonlyMap<string, Value>

/** Arguments of a command after conversion to their types; only those given. */
export type Arguments = ReadonlyMap<string, Value>

/** Whoever runs a command: a login, the console, or a script in the background. */
export interface Caller {
  readonly user: string
  /** What the user's group grants. */
  readonly policies: ReadonlySet<Policy>
  /** Number of the job that the command is part of, in /system/script/job. */
  readonly job: number | undefined
  /** Name of the script that the command is part of. */
  readonly script: string | undefined
  readonly background: boolean
  /** Done when the connection that it all began with is closed. */
  readonly disconnected: Effect.Effect<void>
}

/** Someone at the device itself, with every policy. */
export const operator: Caller = {
  user: "admin",
  policies: new Set(policies),
  job: undefined,
  script: undefined,
  background: false,
  disconnected: Effect.never
}

/**
 * A menu of the device. The generic commands `print`, `find`, `get` and, where the menu has the operation, `add`,
 * `set`, `remove`, `enable` and `disable` come from this description; other commands are listed in `commands`.
 */
export interface MenuSpec {
  /** Absolute path, e.g. "/disk" or "/system/resource". */
  readonly path: string
  /** In the order of `print detail`. */
  readonly properties: ReadonlyArray<PropertySpec>
  /** Columns of plain `print`. */
  readonly columns: ReadonlyArray<string>
  /** Property by which items may be named in place of their number, e.g. "slot". */
  readonly nameProperty?: string
  /** A menu of settings: exactly one row, no item numbers (`/system/resource`, `/system/identity`). */
  readonly singleton?: boolean
  /** Policies that reading commands and changing commands need. */
  readonly policy: { readonly read: Policy; readonly write: Policy }
  /** All items in their order. */
  readonly rows: Effect.Effect<ReadonlyArray<Row>, RosError>
  /** A row as `print as-value` answers it; without it the row itself. */
  readonly asValue?: (row: Row) => Row
  /** Makes an item and answers its id, a Value of tag Id. */
  readonly add?: (properties: Arguments, caller: Caller) => Effect.Effect<Value, RosError>
  /** Changes one item; `id` is the row's ".id". */
  readonly set?: (id: Value, properties: Arguments, caller: Caller) => Effect.Effect<void, RosError>
  /** Removes one item. */
  readonly remove?: (id: Value) => Effect.Effect<void, RosError>
  /** Commands beyond the generic ones, by name, e.g. "monitor-traffic". */
  readonly commands?: Readonly<Record<string, CommandSpec>>
}

/** A command that only this menu has. */
export interface CommandSpec {
  readonly policy: Policy
  /** Named parameters. */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** Words without a value, e.g. "once" or "as-value". */
  readonly flags?: ReadonlyArray<string>
  /**
   * Names of parameters that may be given by position, in order; `numbers` among them when the command works on items.
   */
  readonly positional?: ReadonlyArray<string>
  /**
   * True when the command works on items: adds the parameter `numbers` (ids, item numbers or names), which is required.
   */
  readonly items?: boolean
  readonly run: (call: CommandCall) => Effect.Effect<Value, RosError>
}

export interface CommandCall {
  readonly caller: Caller
  readonly arguments: Arguments
  readonly flags: ReadonlySet<string>
  /** The rows chosen by `numbers`. */
  readonly items: ReadonlyArray<Row>
  readonly terminalWidth: number
  /** Writes text to the channel as it is: end lines with CRLF. */
  readonly emit: (text: string) => Effect.Effect<void>
}
