/** What must not be in any file that is checked in. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { conclude, root, run } from "./run.ts"

const rules: ReadonlyArray<{ readonly pattern: RegExp; readonly reason: string }> = [
  { pattern: /(?<![\w.$~}])\/(?:Users|farm|home|root|work)\/[\w.]/, reason: "a path of one machine" },
  {
    pattern: /\b(?:registry|proxy|deb|index)\.(?!k8s\.)[a-z]+\.(?:com|dev|io|org)\b/,
    reason: "a package registry's host"
  },
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/]{20}/, reason: "a private key" },
  { pattern: /^(?:<{7}|={7}|>{7})(?: |$)/m, reason: "a merge conflict" },
  { pattern: /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/, reason: "work left for later" },
  { pattern: /\bissue #?\d+\b/i, reason: "an issue's number: say what it says" },
  { pattern: /\r\n/, reason: "a Windows line end" },
  { pattern: /[ \t]$/m, reason: "blanks at a line's end" },
  { pattern: /[^\n]$(?![\s\S])/, reason: "no line end at the end of the file" }
]

const megabyte = 1024 * 1024
const listed = await run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"])
const files = listed.stdout.split("\0").filter((file) => file !== "" && file !== "LICENSE")

const problemsOf = async (file: string): Promise<ReadonlyArray<string>> => {
  const bytes = await readFile(join(root, file)).catch(() => undefined)
  if (bytes === undefined) return []
  if (bytes.length > megabyte) return [`${file}: over 1 MiB`]
  if (bytes.includes(0)) return []
  const text = bytes.toString("utf8")
  return rules.flatMap(({ pattern, reason }) => {
    const found = pattern.exec(text)
    if (found === null) return []
    const line = text.slice(0, found.index).split("\n").length
    return [`${file}:${line}: ${reason}: ${JSON.stringify(found[0])}`]
  })
}

const problems = listed.code === 0 ? (await Promise.all(files.map(problemsOf))).flat() : [listed.output]
conclude(problems, `${files.length} files are clean`)
