import { Effect } from "effect"
import type { CommandDefinition, Invocation, Parameter } from "../language/Command.ts"
import type { Failure } from "../language/Frame.ts"
import { toText } from "../language/Text.ts"
import { bool, list, nothing, record, str, type Value } from "../language/Value.ts"
import { convert } from "./Convert.ts"
import { valueText } from "./Forms.ts"
import { given } from "./Given.ts"
import { chosenItems, filtered, itemsParameter, permitted } from "./Items.ts"
import {
  type Caller,
  type CommandSpec,
  type MenuSpec,
  noSuchItem,
  type ParameterSpec,
  type PropertySpec,
  RosError,
  type Row
} from "./Menu.ts"
import { printCommand } from "./PrintCommand.ts"

type Run = CommandDefinition["run"]

/** The commands of a menu by name: the generic ones that its description allows, and its own. */
export const menuCommands = (menu: MenuSpec): ReadonlyMap<string, CommandDefinition> => {
  const own = Object.entries(menu.commands ?? {}).map(([name, spec]) => [name, ownCommand(menu, name, spec)] as const)
  if (menu.properties.length === 0) return new Map(own)
  const switchable = menu.set !== undefined && settable(menu, "set").some(({ name }) => name === "disabled")
  return new Map([
    ["print", printCommand(menu)],
    ["get", get(menu)],
    ...menu.singleton ? [] : [["find", find(menu)] as const],
    ...menu.add === undefined ? [] : [["add", add(menu, menu.add)] as const],
    ...menu.set === undefined ? [] : [["set", set(menu, menu.set)] as const],
    ...menu.remove === undefined ? [] : [["remove", remove(menu, menu.remove)] as const],
    ...switchable ? [["enable", toggle(menu, "enable")], ["disable", toggle(menu, "disable")]] as const : [],
    ...own
  ])
}

const settable = (menu: MenuSpec, by: "add" | "set"): ReadonlyArray<PropertySpec> =>
  menu.properties.filter((property) => property.settable === by || property.settable === "both")

const typedParameter = (spec: ParameterSpec, extra?: Partial<Parameter>): Parameter => ({
  name: spec.name,
  kind: "value",
  ...spec.values === undefined ? {} : { values: spec.values },
  convert: (value, word) => convert(spec, value, word),
  ...extra
})

const definition = (
  menu: MenuSpec,
  name: string,
  parameters: ReadonlyArray<Parameter>,
  run: Run
): CommandDefinition => ({
  name: `${menu.path}/${name}`,
  parameters,
  positional: parameters.some((parameter) => parameter.name === "numbers") ? ["numbers"] : [],
  flags: [],
  run
})

/** The arguments, with `numbers` resolved to rows and taken out. A menu of settings has its one row. */
const givenItems = Effect.fnUntraced(function*(menu: MenuSpec, invocation: Invocation, name: string) {
  const values = new Map(yield* given(invocation))
  const rows = yield* menu.rows
  const reference = values.get(name) ?? nothing
  values.delete(name)
  const items: ReadonlyArray<Row> = menu.singleton
    ? rows
    : yield* chosenItems(menu, rows, reference, invocation.frame.machine.session)
  return { items, values }
})

const idOf = (row: Row): Value => row.get(".id") ?? nothing

const find = (menu: MenuSpec): CommandDefinition => ({
  ...definition(menu, "find", [], (invocation) =>
    permitted(menu.policy.read, invocation.frame).pipe(
      Effect.andThen(menu.rows),
      Effect.flatMap((rows) => filtered(invocation, rows)),
      Effect.map((rows) => list(rows.map(idOf)))
    )),
  where: { implicit: true, properties: new Set([".id", ...menu.properties.map(({ name }) => name)]) }
})

const get = (menu: MenuSpec): CommandDefinition => {
  const known = [".id", ...menu.properties.map(({ name }) => name)]
  const valueName: Parameter = typedParameter({ name: "value-name", type: "enum", values: known })
  return {
    ...definition(
      menu,
      "get",
      menu.singleton ? [valueName] : [itemsParameter("number"), valueName],
      Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
        yield* permitted(menu.policy.read, invocation.frame)
        const { items, values } = yield* givenItems(menu, invocation, "number")
        const [row, second] = items
        if (row === undefined) return yield* noSuchItem
        if (second !== undefined) return yield* new RosError({ message: "invalid internal item number" })
        const name = values.get("value-name")
        if (name === undefined) return record(row)
        const value = row.get(toText(name)) ?? nothing
        const property = menu.properties.find((candidate) => candidate.name === toText(name))
        const asText = invocation.command.flags.has("as-string") && property !== undefined
        return asText ? str(valueText(property, value)) : value
      })
    ),
    positional: menu.singleton ? ["value-name"] : ["number", "value-name"],
    flags: ["as-value", "as-string"]
  }
}

const add = (menu: MenuSpec, run: NonNullable<MenuSpec["add"]>): CommandDefinition =>
  definition(
    menu,
    "add",
    settable(menu, "add").map((property) => typedParameter(property, { required: property.required ?? false })),
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      yield* permitted(menu.policy.write, invocation.frame)
      return yield* run(yield* given(invocation), invocation.frame.machine.caller)
    })
  )

const set = (menu: MenuSpec, run: NonNullable<MenuSpec["set"]>): CommandDefinition => {
  const properties = settable(menu, "set").map((property) =>
    typedParameter(property, { unset: property.type === "string" })
  )
  return definition(
    menu,
    "set",
    menu.singleton ? properties : [itemsParameter("numbers"), ...properties],
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      yield* permitted(menu.policy.write, invocation.frame)
      const { items, values } = yield* givenItems(menu, invocation, "numbers")
      const { caller } = invocation.frame.machine
      yield* Effect.forEach(items, (row) => run(idOf(row), values, caller), { discard: true })
      return nothing
    })
  )
}

/** `enable` and `disable` set the property `disabled`. */
const toggle = (menu: MenuSpec, name: "enable" | "disable"): CommandDefinition =>
  onItems(
    menu,
    name,
    (item, caller) => menu.set?.(item, new Map([["disabled", bool(name === "disable")]]), caller) ?? Effect.void
  )

const remove = (menu: MenuSpec, run: NonNullable<MenuSpec["remove"]>): CommandDefinition => onItems(menu, "remove", run)

const onItems = (
  menu: MenuSpec,
  name: string,
  run: (id: Value, caller: Caller) => Effect.Effect<void, RosError>
): CommandDefinition =>
  definition(
    menu,
    name,
    [itemsParameter("numbers")],
    Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      yield* permitted(menu.policy.write, invocation.frame)
      const { items } = yield* givenItems(menu, invocation, "numbers")
      const { caller } = invocation.frame.machine
      yield* Effect.forEach(items, (row) => run(idOf(row), caller), { discard: true })
      return nothing
    })
  )

const ownCommand = (menu: MenuSpec, name: string, spec: CommandSpec): CommandDefinition => {
  const parameters = spec.parameters.map((parameter) =>
    typedParameter(parameter, { required: parameter.required ?? false })
  )
  return {
    name: menu.path === "/" ? `:${name}` : `${menu.path}/${name}`,
    parameters: spec.items === true ? [itemsParameter("numbers"), ...parameters] : parameters,
    positional: spec.positional ?? [],
    flags: spec.flags ?? [],
    run: Effect.fnUntraced(function*(invocation): Effect.fn.Return<Value, Failure> {
      const { caller, emit, terminalWidth } = invocation.frame.machine
      yield* permitted(spec.policy, invocation.frame)
      const { items, values } = spec.items === true
        ? yield* givenItems(menu, invocation, "numbers")
        : { items: [], values: yield* given(invocation) }
      return yield* spec.run({
        caller,
        arguments: values,
        flags: invocation.command.flags,
        items,
        terminalWidth,
        emit
      })
    })
  }
}
