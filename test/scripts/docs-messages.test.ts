import { assert, describe, it } from "@effect/vitest"
import { glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import { root } from "../../scripts/run.ts"

/** What stands for an inserted value, in the sources' texts as on the page. */
const hole = "…"

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)

/** The text that an expression makes; a hole for what is not known before run time. */
const textOf = (node: unknown): string => {
  if (!isNode(node)) return hole
  if (node.type === "Literal" && typeof node.value === "string") return node.value
  if (node.type === "BinaryExpression" && node.operator === "+") return textOf(node.left) + textOf(node.right)
  if (node.type === "TemplateLiteral" && Array.isArray(node.quasis)) return node.quasis.map(cookedOf).join(hole)
  return hole
}

const cookedOf = (quasi: unknown) =>
  isNode(quasi) && isNode(quasi.value) && typeof quasi.value.cooked === "string" ? quasi.value.cooked : hole

/** Every text in the syntax tree, of concatenations as a whole as well as of their parts. */
const textsIn = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(textsIn)
  if (!isNode(value)) return []
  const own = textOf(value)
  return [...own === hole ? [] : [own], ...Object.values(value).flatMap(textsIn)]
}

const readTexts = async (): Promise<ReadonlyArray<string>> => {
  const ours = await Array.fromAsync(glob("src/**/*.ts", { cwd: root, exclude: ["src/csi/gen/**"] }))
  const files = [...ours, ...["CliError", "Param"].map((file) => `node_modules/effect/src/cli/${file}.ts`)]
  const sources = await Promise.all(
    files.map(async (file) => [file, await readFile(join(root, file), "utf8")] as const)
  )
  return sources.flatMap(([file, source]) => textsIn(parseSync(file, source).program))
}

/** The messages that the page quotes: code in the first column of its tables, from the first section on. */
const quotedIn = (page: string): ReadonlyArray<string> =>
  page.slice(page.indexOf("\n## ")).split("\n").flatMap((line) => {
    const [, first = ""] = /^\| (`.*?) +\|/.exec(line) ?? []
    return [...first.matchAll(/`([^`]+)`/g)].map(([, message = ""]) => message)
  })

/** Without the colon and the quotation marks around what is inserted, which may be another text's. */
const wordsOf = (part: string) => part.replace(/^[:;,."\s]+|[:"\s]+$/g, "")

describe("docs/troubleshooting.md", () => {
  it("quotes messages that the driver has", async () => {
    const [texts, page] = await Promise.all([
      readTexts(),
      readFile(join(root, "docs", "troubleshooting.md"), "utf8")
    ])
    const quoted = quotedIn(page)
    assert.isAbove(quoted.length, 60)
    const parts = quoted.flatMap((message) => message.split(hole).map((part) => ({ message, part: wordsOf(part) })))
    const unknown = parts.filter(({ part }) => part.length > 4 && !texts.some((text) => text.includes(part)))
    assert.deepStrictEqual(unknown, [])
  })

  it("explains every status code that an error can have", async () => {
    const [status, page] = await Promise.all(
      ["src/csi/Status.ts", "docs/troubleshooting.md"].map((file) => readFile(join(root, file), "utf8"))
    )
    const codes = new Set([...status?.matchAll(/: "([A-Z_]{5,})"/g) ?? []].map(([, code]) => code))
    assert.isAbove(codes.size, 5)
    for (const code of codes) assert.include(page ?? "", `\`${code}\``)
  })
})
