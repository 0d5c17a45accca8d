/** Prepares what the tests in virtual machines need, before the first of them. */
import { cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import type { TestProject } from "vitest/node"
import { setup as buildIfStale } from "../build-if-stale.ts"
import { root } from "../run.ts"
import { makeDisk, missingPackages, provideImage, type VmImage } from "./image.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The image, and a disk with the bundle and the programs of the tests; undefined: this machine cannot run them. */
    readonly vm: { readonly image: VmImage; readonly programs: string } | undefined
  }
}

/** Called by vitest before the tests; answers what is to be done after them. */
export const setup = async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  const missing = await missingPackages()
  if (missing.length > 0) {
    if (process.env["CI"] === "true") throw new Error(`cannot be installed: ${missing.join(", ")}`)
    console.log(`not installed: ${missing.join(", ")}; tests in virtual machines are skipped`)
    project.provide("vm", undefined)
    return undefined
  }
  await buildIfStale()
  const directory = await mkdtemp(join(tmpdir(), "rds-csi-programs-"))
  const programs = await makePrograms(directory)
  project.provide("vm", { image: await provideImage(), programs })
  return () => rm(directory, { recursive: true, force: true })
}

/** Changes with every build, and takes a moment: not part of the image. */
const makePrograms = async (directory: string) => {
  const tree = join(directory, "programs")
  await mkdir(tree)
  await cp(join(root, "dist"), join(tree, "dist"), { recursive: true, filter: (file) => !file.endsWith(".map") })
  await cp(join(root, "package.json"), join(tree, "package.json"))
  for (const file of await Array.fromAsync(glob("test/vm/guest/*.ts", { cwd: root }))) {
    const source = stripTypeScriptTypes(await readFile(join(root, file), "utf8"))
    await writeFile(join(tree, `${basename(file, ".ts")}.mjs`), source)
  }
  const disk = join(directory, "programs.img")
  await makeDisk(tree, disk, 8)
  return disk
}
