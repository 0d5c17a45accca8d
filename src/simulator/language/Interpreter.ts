import { Effect, Result } from "effect"
import { menuCommands } from "../menu/Commands.ts"
import type { Caller, MenuSpec } from "../menu/Menu.ts"
import { builtins } from "./builtins/Builtins.ts"
import { buildTree, type MenuNode } from "./CommandTree.ts"
import { completions } from "./Completion.ts"
import { runStatements } from "./Evaluator.ts"
import { type Machine, Terminated } from "./Frame.ts"
import { parseFunction, parseLine } from "./Parser.ts"
import { Scope } from "./Scope.ts"
import { makeSession, type Session } from "./Session.ts"
import type { Value } from "./Value.ts"

/** What a line runs with. */
export interface Context {
  readonly menus: ReadonlyArray<MenuSpec>
  readonly caller: Caller
  /** Columns at which `print` wraps; a device wraps without a terminal too. */
  readonly terminalWidth: number
  /** Takes output as it comes, with CRLF line ends. */
  readonly emit: (text: string) => Effect.Effect<void>
  /** Takes the error that the line ends with; without it the error is output. */
  readonly report?: (message: string) => Effect.Effect<void>
  /** Variables of the device, kept between lines and logins. */
  readonly globals: Map<string, Value>
  /** State of the login between lines; an exec request has none. */
  readonly session?: Session
  /** Commands and loop turns that a line may take before it is ended; a million when absent. */
  readonly stepLimit?: number
}

/**
 * RouterOS' command line. As on the device everything is text: a line with an error in it runs nothing and shows the
 * error; a run-time error that the script does not catch ends it and is shown; there is no exit status. Interruption
 * stops a line between two commands, or inside one where the menu's own effects allow it.
 */
export const Interpreter = {
  run: Effect.fnUntraced(function*(source: string, context: Context) {
    const root = treeOf(context.menus)
    const session = context.session ?? makeSession()
    const parsed = parseLine(source, { root, menu: session.menu, globals: context.globals.keys() })
    const report = context.report ?? ((message: string) => context.emit(`${message}\r\n`))
    if (Result.isFailure(parsed)) return yield* report(parsed.failure.message)
    const machine = machineOf(root, session, context)
    const frame = { machine, scope: Scope.line(context.globals), row: undefined, depth: 0 }
    yield* runStatements(parsed.success, frame).pipe(Effect.catchTags({
      RosError: ({ message }) => report(message),
      Terminated: ({ message }) => message === undefined ? Effect.void : report(message),
      Return: () => Effect.void,
      LoopControl: () => Effect.void
    }))
  }),

  /** Words that may come next in a line typed so far, or that its last word may become. */
  complete: (text: string, menus: ReadonlyArray<MenuSpec>, session: Session): ReadonlyArray<string> =>
    completions(text, treeOf(menus), session.menu)
}

// A device hands over the same menus for every line.
const trees = new WeakMap<ReadonlyArray<MenuSpec>, MenuNode>()

const treeOf = (menus: ReadonlyArray<MenuSpec>): MenuNode => {
  const known = trees.get(menus)
  if (known !== undefined) return known
  const tree = buildTree(builtins, menus.map((menu) => ({ path: menu.path, commands: menuCommands(menu) })))
  trees.set(menus, tree)
  return tree
}

const machineOf = (root: MenuNode, session: Session, context: Context): Machine => {
  const limit = context.stepLimit ?? 1_000_000
  let steps = 0
  return {
    caller: context.caller,
    terminalWidth: context.terminalWidth,
    emit: context.emit,
    globals: context.globals,
    session,
    parse: (source) => parseFunction(source, root),
    step: Effect.suspend(() => {
      steps++
      return steps <= limit ? Effect.void : Effect.fail(new Terminated({ message: "failure: script takes too long" }))
    })
  }
}
