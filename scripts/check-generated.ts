/** Generates src/csi/gen afresh, elsewhere, and compares: what is checked in is what proto/ says. */
import { glob, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { conclude, root, run } from "./run.ts"

const folder = join("src", "csi", "gen")

const read = async (top: string): Promise<ReadonlyMap<string, string>> => {
  const files = await Array.fromAsync(glob("**/*.ts", { cwd: join(top, folder) }))
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(top, folder, file), "utf8")] as const))
  )
}

const fresh = await mkdtemp(join(tmpdir(), "rds-csi-generated-"))
try {
  const generation = await run(["buf", "generate", "--output", fresh])
  if (generation.code !== 0) {
    conclude([generation.output], "")
  } else {
    const [ours, theirs] = await Promise.all([read(root), read(fresh)])
    const differing = [...new Set([...ours.keys(), ...theirs.keys()])].filter((file) =>
      ours.get(file) !== theirs.get(file)
    )
    const problems = differing.map((file) => `${join(folder, file)} is not what proto/ generates: npm run generate`)
    conclude(problems, `${theirs.size} generated files are up to date`)
  }
} finally {
  await rm(fresh, { recursive: true })
}
