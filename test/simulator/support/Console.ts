import { Effect } from "effect"
import { type Context, Interpreter } from "../../../src/simulator/language/Interpreter.ts"
import { operator } from "../../../src/simulator/menu/Menu.ts"

/** Everything a line writes, run without menus, with every policy, unless `context` says otherwise. */
export const output = (source: string, context: Partial<Context> = {}): Effect.Effect<string> =>
  Effect.suspend(() => {
    let text = ""
    const run = Interpreter.run(source, {
      menus: [],
      caller: { ...operator, policies: new Set(["read", "write", "test"]) },
      terminalWidth: 80,
      globals: new Map(),
      ...context,
      emit: (part) => Effect.sync(() => void (text += part))
    })
    return Effect.map(run, () => text)
  })
