import { Effect, Layer, Ref } from "effect"
import { CommandFailed, type CommandResult, HostCommand } from "../../../src/linux/HostCommand.ts"

/** What a scripted program does: parts of a result (exit code 0 and no output otherwise), or a failure to run. */
export type Reaction = Partial<CommandResult> | CommandFailed

/** One run, as the code under test asked for it. */
export interface Run {
  readonly program: string
  readonly args: ReadonlyArray<string>
}

/**
 * `HostCommand` for unit tests: `react` answers each run, at once. Undefined means that the program is not installed.
 * `runs` has everything that was run, in order.
 */
export const scriptedCommands = Effect.fnUntraced(function*(
  react: (run: Run) => Effect.Effect<Reaction> | Reaction | undefined
) {
  const runs = yield* Ref.make<ReadonlyArray<Run>>([])
  const layer = Layer.succeed(HostCommand, {
    run: Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>) {
      const run = { program, args }
      yield* Ref.update(runs, (all) => [...all, run])
      const answer = react(run)
      const reaction = Effect.isEffect(answer) ? yield* answer : answer ?? notInstalled(program)
      return reaction instanceof CommandFailed ? yield* reaction : { code: 0, stdout: "", stderr: "", ...reaction }
    })
  })
  return { layer, runs: Ref.get(runs) }
})

/** A program that is not there. */
const notInstalled = (program: string) =>
  new CommandFailed({ program, message: `${program} cannot be run: spawn ${program} ENOENT`, timedOut: false })

/** A program that ran into its limit. */
export const overdue = (program: string) =>
  new CommandFailed({ program, message: `${program} did not end within 30s and was stopped`, timedOut: true })
