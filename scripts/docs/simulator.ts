/** The generated parts of docs/simulator.md. */
import { controlHelp } from "../../src/simulator/ControlSocket.ts"
import { faultGrammar } from "../../src/simulator/faults/FaultRule.ts"
import { unsurePoints } from "../../src/simulator/Unsure.ts"
import type { SubcommandFacts } from "./flags.ts"
import { code, plain, table } from "./markdown.ts"

const block = (text: string) => `\`\`\`text\n${text}\n\`\`\``

export const faultRules = block(faultGrammar)
export const controlOperations = block(controlHelp)

/** What each `--unsure` flag chooses between; the first is the default. */
export const unsureTable = (subcommands: ReadonlyArray<SubcommandFacts>): string => {
  const points = Object.values(unsurePoints)
  const flags = subcommands.flatMap(({ flags }) => flags)
  return table(
    ["Flag", "Choices, the default first"],
    points.flatMap(({ meaning, values }) => {
      const flag = flags.find(({ description }) => description.startsWith(meaning))
      const choices = meaning.split(" | ").map((choice, i) => `${code(values[i] ?? "")}: ${plain(choice)}`)
      return flag === undefined ? [] : [[code(`--${flag.name}`), choices.join("; ")]]
    })
  )
}
