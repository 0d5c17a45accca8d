import { Effect, Result } from "effect"
import type { CommandDefinition, Parameter } from "../language/Command.ts"
import type { Failure } from "../language/Frame.ts"
import { toText } from "../language/Text.ts"
import { list, nothing, num, record, type Value } from "../language/Value.ts"
import { given } from "./Given.ts"
import { filtered, permitted } from "./Items.ts"
import type { MenuSpec, PropertySpec, Row } from "./Menu.ts"
import { detailText, type Shown, tableText, terseText, valueListText } from "./Print.ts"

const flags = [
  "as-value",
  "brief",
  "count-only",
  "detail",
  "show-ids",
  "stats",
  "stats-detail",
  "terse",
  "value-list",
  "without-paging"
]

/** `print` of a menu: text for people, or with `as-value` an array of maps (of a menu of settings one map). */
export const printCommand = (menu: MenuSpec): CommandDefinition => ({
  name: `${menu.path}/print`,
  parameters: [proplist(menu)],
  positional: [],
  flags,
  where: { implicit: false, properties: new Set([".id", ...menu.properties.map(({ name }) => name)]) },
  run: Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
    yield* permitted(menu.policy.read, invocation.frame)
    const rows = yield* filtered(invocation, yield* menu.rows)
    const wanted = (yield* given(invocation)).get("proplist")
    const names = wanted === undefined ? undefined : texts(wanted)
    const has = (flag: string) => invocation.command.flags.has(flag)
    if (has("count-only")) {
      // Written and answered as well: `:put [print count-only]` shows it twice.
      if (!has("as-value")) yield* invocation.frame.machine.emit(`${rows.length}\r\n`)
      return num(rows.length)
    }
    if (has("as-value")) return asValue(menu, rows, names, has("detail") || has("stats-detail"))
    const { emit, session, terminalWidth } = invocation.frame.machine
    session.printed.set(menu.path, rows.map((row) => row.get(".id") ?? nothing))
    const labels = rows.map((row, index) => has("show-ids") ? toText(row.get(".id") ?? nothing) : String(index))
    const form = formOf(menu, has)
    const properties = chosen(menu, names ?? (form === tableText ? menu.columns : undefined))
    yield* emit(form({
      flags: menu.properties.filter(({ flag }) => flag !== undefined),
      properties: properties.filter(({ flag, spelled }) => flag === undefined || spelled === true),
      rows,
      labels,
      width: terminalWidth
    }))
    return nothing
  })
})

const formOf = (menu: MenuSpec, has: (flag: string) => boolean): (shown: Shown) => string => {
  if (menu.singleton || has("value-list")) return valueListText
  if (has("terse")) return terseText
  return has("detail") || has("stats-detail") ? detailText : tableText
}

const proplist = (menu: MenuSpec): Parameter => ({
  name: "proplist",
  kind: "value",
  convert: (value) =>
    texts(value).every((name) => name === ".id" || menu.properties.some((property) => property.name === name))
      ? Result.succeed(value)
      : Result.fail("input does not match any value of proplist")
})

const texts = (value: Value): ReadonlyArray<string> =>
  value._tag === "List" ? value.items.map(toText) : toText(value).split(",")

/** The properties of those names in that order; without names all that are not hidden. */
const chosen = (menu: MenuSpec, names: ReadonlyArray<string> | undefined): ReadonlyArray<PropertySpec> =>
  names === undefined
    ? menu.properties.filter(({ hidden }) => hidden !== true)
    : names.flatMap((name) => menu.properties.find((property) => property.name === name) ?? [])

/** Without `detail` and `proplist` only flags and columns: that is all that is known of the device to be there. */
const asValue = (
  menu: MenuSpec,
  rows: ReadonlyArray<Row>,
  names: ReadonlyArray<string> | undefined,
  detail: boolean
): Value => {
  const brief = [...menu.columns, ...menu.properties.flatMap(({ flag, name }) => flag === undefined ? [] : [name])]
  const wanted = names ?? (detail || menu.singleton ? undefined : brief)
  const values = rows.map((row) => {
    const full = menu.asValue?.(row) ?? row
    return record([...full].filter(([name]) => name === ".id" || wanted === undefined || wanted.includes(name)))
  })
  return menu.singleton ? values[0] ?? nothing : list(values)
}
