import { glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import { violations } from "./layering.ts"
import { conclude, root } from "./run.ts"

const src = join(root, "src")
const files = await Array.fromAsync(glob("**/*.ts", { cwd: src }))
const sources = await Promise.all(files.map(async (file) => [file, await readFile(join(src, file), "utf8")] as const))
conclude(violations(Object.fromEntries(sources)), `${files.length} files keep to the layers`)
