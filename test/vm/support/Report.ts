import { Console, Effect, FileSystem } from "effect"
import { join } from "node:path"
import { root } from "../../../scripts/run.ts"

/** Where the figures of a run are: `<name>.json` for each test that measures something. */
const directory = join(root, "vm-results")

/** Keeps what a test has measured for a program to read, and says it in a line for people. */
export const report = Effect.fnUntraced(function*(name: string, figures: object, summary: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.makeDirectory(directory, { recursive: true })
  yield* files.writeFileString(join(directory, `${name}.json`), `${JSON.stringify(figures, null, 2)}\n`)
  yield* Console.log(`${name}: ${summary}`)
}, Effect.orDie)

/** The middle of the numbers, and the greatest. */
export const spread = (numbers: ReadonlyArray<number>) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, maximum: sorted.at(-1) ?? 0 }
}
