import { Effect, Result } from "effect"
import type { Invocation, Parameter } from "../language/Command.ts"
import { evaluate } from "../language/Evaluator.ts"
import type { Failure, Frame } from "../language/Frame.ts"
import { parseId } from "../language/Literal.ts"
import { holds } from "../language/Operators.ts"
import { equal } from "../language/Relations.ts"
import type { Session } from "../language/Session.ts"
import { toText } from "../language/Text.ts"
import { id, isAbsent, str, type Value } from "../language/Value.ts"
import { type MenuSpec, noSuchItem, notPermitted, type Policy, type RosError, type Row } from "./Menu.ts"

/** Fails unless the user's group grants the policy. */
export const permitted = (policy: Policy, { machine }: Frame): Effect.Effect<void, RosError> =>
  machine.caller.policies.has(policy) ? Effect.void : Effect.fail(notPermitted)

/** The parameter that names items: a bare word is an id, an item number or a name. */
export const itemsParameter = (name: string): Parameter => ({
  name,
  kind: "value",
  required: true,
  convert: (value, word) => Result.succeed(word === undefined || value._tag === "Num" ? value : str(word))
})

/**
 * The rows that an argument names by id, by number of the last `print` of this menu in this session, or by name;
 * several as an array or with commas. An empty argument names none, without an error; one that names nothing existing
 * is an error.
 */
export const chosenItems = (
  menu: MenuSpec,
  rows: ReadonlyArray<Row>,
  value: Value,
  session: Session
): Effect.Effect<ReadonlyArray<Row>, RosError> => {
  const references = flatten(value)
  const found = references.map((reference) => rows.find((row) => names(menu, row, reference, session)))
  const items = found.filter((row) => row !== undefined)
  return items.length < references.length ? Effect.fail(noSuchItem) : Effect.succeed(items)
}

const flatten = (value: Value): ReadonlyArray<Value> => {
  if (isAbsent(value)) return []
  if (value._tag === "List") return value.items.flatMap(flatten)
  if (value._tag !== "Str") return [value]
  return value.value.split(",").filter((part) => part !== "").map(str)
}

const names = (menu: MenuSpec, row: Row, reference: Value, session: Session): boolean => {
  const text = toText(reference)
  const number = parseId(text)
  const named = menu.nameProperty === undefined ? undefined : row.get(menu.nameProperty)
  const printed = /^\d+$/.test(text) ? session.printed.get(menu.path)?.[Number(text)] : undefined
  const own = row.get(".id")
  if (own === undefined) return false
  if (number !== undefined) return equal(own, id(number))
  return printed === undefined ? named !== undefined && toText(named) === text : equal(own, printed)
}

/** The rows for which the command's `where` holds; all of them without one. */
export const filtered = ({ command, frame }: Invocation, rows: ReadonlyArray<Row>): Effect.Effect<
  ReadonlyArray<Row>,
  Failure
> => {
  const { where } = command
  const passes = (row: Row) =>
    where === undefined ? Effect.succeed(true) : Effect.map(evaluate(where, { ...frame, row }), holds)
  return Effect.filter(rows, passes)
}
