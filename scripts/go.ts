/** Programs in Go, built in the versions that a go.mod names. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { contentName, kept } from "./kept.ts"
import { installed, run } from "./run.ts"

/** What to build, and from which module. */
export interface GoPrograms {
  /** Under which they are kept. */
  readonly kind: string
  /** The folder of go.mod. */
  readonly module: string
  readonly packages: ReadonlyArray<string>
  /** More for the linker. */
  readonly link?: string
  /** What else the result depends on. */
  readonly sources?: ReadonlyArray<string | Uint8Array>
  /** Puts more beside the programs. */
  readonly more?: (directory: string) => Promise<void>
}

/** Whether `what` can be built here; a machine of CI has to be able to. */
export const canBuild = async (what: string): Promise<boolean> => {
  const can = await installed("go")
  if (!can && process.env["CI"] === "true") throw new Error(`${what} is built with Go, and there is no Go`)
  return can
}

/** What `go` prints in that folder when it succeeds; throws what it said otherwise. */
export const go = async (folder: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { code, output, stdout } = await run(["go", ...args], { cwd: folder, env: { CGO_ENABLED: "0" } })
  if (code !== 0) throw new Error(`go ${args.join(" ")} ended with ${code}:\n${output}`)
  return stdout
}

/** The directory with the programs, which need nothing of the machine they run on; built if they are not kept from before. */
export const goPrograms = async (
  { kind, link = "", module, more, packages, sources = [] }: GoPrograms
): Promise<string> => {
  const flags = ["-trimpath", `-ldflags=-s -w ${link}`.trim()]
  const pins = await Promise.all(["go.mod", "go.sum"].map((file) => readFile(join(module, file))))
  const name = contentName(
    (await go(module, "version")).trim(),
    [...flags, ...packages].join("\0"),
    ...pins,
    ...sources
  )
  return await kept(kind, name, async (directory) => {
    await go(module, "build", ...flags, "-o", `${directory}/`, ...packages)
    await more?.(directory)
  })
}
