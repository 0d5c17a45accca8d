import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { root, run } from "../../scripts/run.ts"

/** A file that breaks every rule named below. */
const offences = `
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { now as again } from "./Cycle.ts"

export const later = again
export const now = Date.now()
export const timer = setTimeout
export const luck = Math.random()
export const text = readFileSync("x", "utf8")
export const size = (list: ReadonlyArray<string>) => list[0]!.length
export const anything = (value: any) => value as string
Promise.resolve(1)
Effect.log("never run")
export const program = Effect.gen(function*() {
  yield* Effect.fail("stop")
})
`

/** A project with this one's configuration and the file above. */
let project: string

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "rds-csi-checks-"))
  for (const file of ["tsconfig.json", ".oxlintrc.json", "package.json"]) {
    await cp(join(root, file), join(project, file))
  }
  await symlink(join(root, "node_modules"), join(project, "node_modules"))
  const folder = join(project, "src", "volume")
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, "Offences.ts"), offences)
  await writeFile(join(folder, "Cycle.ts"), `export { now } from "./Offences.ts"\n`)
})

afterAll(() => rm(project, { recursive: true }))

/** The tool runs in the project, from this one's node_modules. */
const inProject = (tool: string, ...args: ReadonlyArray<string>) =>
  run([join(root, "node_modules", ".bin", tool), ...args], { cwd: project })

describe("checks", () => {
  it("the linter refuses real time, synchronous I/O, escapes from the types, floating promises and cycles", async () => {
    const { code, output } = await inProject("oxlint", "--type-aware", "--deny-warnings", "--format=unix", "src")
    expect(code).toBe(1)
    for (
      const offence of [
        "Unexpected use of 'Date'. Real time cannot be tested",
        "Unexpected use of 'setTimeout'. Real time cannot be tested",
        "'Math.random' is restricted",
        "'readFileSync' import from 'node:fs' is restricted",
        "no-non-null-assertion",
        "no-explicit-any",
        "consistent-type-assertions",
        "no-floating-promises",
        "no-cycle"
      ]
    ) expect(output).toContain(offence)
  })

  it("the Effect diagnostics refuse an effect that is never run and a failure that does not return", async () => {
    const { code, output } = await inProject("effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--strict")
    expect(code).toBe(1)
    expect(output).toContain("floatingEffect")
    expect(output).toContain("missingReturnYieldStar")
  })
})
