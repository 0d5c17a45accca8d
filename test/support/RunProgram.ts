import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect } from "effect"
import { teardown } from "../../src/cli/Exit.ts"
import { program } from "../../src/cli/Root.ts"

/** Runs the command line in this process, with nothing in its environment but `env`. */
export const runProgram = Effect.fnUntraced(function*(
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) {
  const output: Array<string> = []
  const errors: Array<string> = []
  const console: Console.Console = {
    ...globalThis.console,
    log: (text: string) => output.push(text),
    error: (text: string) => errors.push(text)
  }
  const exit = yield* Effect.exit(program(args)).pipe(
    Effect.provideService(Console.Console, console),
    Effect.provide([ConfigProvider.layer(ConfigProvider.fromUnknown(env)), NodeServices.layer])
  )
  const code = yield* Effect.callback<number>((resume) => teardown(exit, (code) => resume(Effect.succeed(code))))
  return { code, output: output.join("\n"), errors }
})
