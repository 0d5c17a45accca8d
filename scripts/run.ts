import { spawn } from "node:child_process"
import { once } from "node:events"
import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"

/** The repository's root, without a slash at its end. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")

/** As npm sets it: the project's own tools, Node.js among them, come first. */
const path = [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter)

export interface Finished {
  readonly code: number
  /** What it wrote to stdout. */
  readonly stdout: string
  /** What it wrote to stdout, then what it wrote to stderr. */
  readonly output: string
}

/** Runs a program in the repository's root (or `cwd`) to its end. A program that cannot be started has code 127. */
export const run = async (
  command: readonly [string, ...ReadonlyArray<string>],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {}
): Promise<Finished> => {
  const [program, ...args] = command
  const child = spawn(program, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, PATH: path, ...options.env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  try {
    const [code] = await once(child, "close")
    const [stdout, stderr] = await output
    return { code: typeof code === "number" ? code : 1, stdout, output: stdout + stderr }
  } catch (error) {
    return { code: 127, stdout: "", output: `${program}: ${error instanceof Error ? error.message : String(error)}\n` }
  }
}

/** What a program writes to stdout; throws what it said when it fails. */
export const must = async (
  command: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {}
): Promise<string> => {
  const [program = "", ...args] = command
  const { code, output, stdout } = await run([program, ...args], options)
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`)
  return stdout
}

/** Whether `program` can be found on PATH. */
export const installed = async (program: string): Promise<boolean> => {
  const places = path.split(delimiter).map((folder) => join(folder, program))
  const found = await Promise.allSettled(places.map((place) => access(place, constants.X_OK)))
  return found.some((result) => result.status === "fulfilled")
}

/** Ends a check: prints what is wrong and sets the exit code, or says in one line what is right. */
export const conclude = (problems: ReadonlyArray<string>, good: string): void => {
  if (problems.length === 0) return console.log(good)
  for (const problem of problems) console.error(problem)
  process.exitCode = 1
}
