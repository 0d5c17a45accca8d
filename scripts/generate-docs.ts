/**
 * Writes what the code knows better into docs/*.md: everything between the lines `<!-- generated: NAME -->` and
 * `<!-- end of generated -->`. With `--check` it changes nothing, and fails when a page is not up to date.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { glob, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { environmentTable, flagTables, globalFlagTable, goFlagTable, parameterTable } from "./docs/configuration.ts"
import { capabilityTables } from "./docs/conformance.ts"
import { subcommands } from "./docs/flags.ts"
import { metricTables } from "./docs/metrics.ts"
import { controlOperations, faultRules, unsureTable } from "./docs/simulator.ts"
import { conclude, root } from "./run.ts"

/** The generated text of each name. */
export const blocks: Effect.Effect<ReadonlyMap<string, string>> = Effect.gen(function*() {
  const commands = yield* subcommands
  return new Map([
    ["flags", flagTables(commands)],
    ["global flags", globalFlagTable(commands)],
    ["environment", environmentTable(commands)],
    ["parameters", yield* parameterTable],
    ["go flags", goFlagTable(commands)],
    ["metrics", yield* metricTables],
    ["capabilities", yield* capabilityTables],
    ["fault rules", faultRules],
    ["control socket", controlOperations],
    ["unsure points", unsureTable(commands)]
  ])
}).pipe(Effect.provide(NodeServices.layer), Effect.orDie)

/** A page with its generated parts as they have to be now. */
export const refreshed = (page: string, texts: ReadonlyMap<string, string>): string =>
  page.replace(
    /^(<!-- generated: (.+) -->)$(?:(?!^<!-- generated: )[^])*?^(<!-- end of generated -->)$/gm,
    (_, begin: string, name: string, end: string) => {
      const text = texts.get(name)
      if (text === undefined) throw new Error(`nothing is generated as "${name}"`)
      return `${begin}\n\n${text}\n\n${end}`
    }
  )

/** Every page under docs/, by its path from the repository's root. */
export const readPages = async (): Promise<ReadonlyMap<string, string>> => {
  const files = (await Array.fromAsync(glob("docs/**/*.md", { cwd: root }))).sort()
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(root, file), "utf8")] as const))
  )
}

const main = async (check: boolean): Promise<void> => {
  const [texts, pages] = await Promise.all([Effect.runPromise(blocks), readPages()])
  const stale = [...pages].flatMap(([file, page]) => {
    const fresh = refreshed(page, texts)
    return fresh === page ? [] : [[file, fresh] as const]
  })
  if (check) {
    const problems = stale.map(([file]) => `${file} is not what the code says: node scripts/generate-docs.ts`)
    return conclude(problems, `${pages.size} pages agree with the code`)
  }
  for (const [file, page] of stale) await writeFile(join(root, file), page)
  console.log(stale.length === 0 ? "nothing to do" : `wrote ${stale.map(([file]) => file).join(", ")}`)
}

if (import.meta.main) await main(process.argv.includes("--check"))
