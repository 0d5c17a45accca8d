/** Builds dist/rds-csi.js when a source, the lock file or the build's configuration is newer than it. */
import { glob, stat } from "node:fs/promises"
import { join } from "node:path"
import { conclude, root, run } from "./run.ts"

const modified = async (file: string): Promise<number> => {
  const entry = await stat(join(root, file)).catch(() => undefined)
  return entry?.mtimeMs ?? 0
}

/** Called by vitest before the tests of the whole program. */
export const setup = async (): Promise<void> => {
  const sources = await Array.fromAsync(glob("src/**/*.ts", { cwd: root }))
  const inputs = [...sources, "package.json", "package-lock.json", "rolldown.config.ts"]
  const newest = Math.max(...await Promise.all(inputs.map(modified)))
  if (await modified("dist/rds-csi.js") > newest) return
  const build = await run(["rolldown", "--config", "rolldown.config.ts"])
  if (build.code !== 0) throw new Error(build.output)
}

if (import.meta.main) await setup().catch((error: Error) => conclude([error.message], ""))
