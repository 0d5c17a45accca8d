import { NodeServices } from "@effect/platform-node"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { access, readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { subcommands } from "../../scripts/docs/flags.ts"
import { metrics } from "../../scripts/docs/metrics.ts"
import { blocks, readPages, refreshed } from "../../scripts/generate-docs.ts"
import { root } from "../../scripts/run.ts"

/** Every page, the front page among them, by its path. */
let pages: ReadonlyMap<string, string>

beforeAll(async () => {
  pages = new Map([...await readPages(), ["README.md", await readFile(join(root, "README.md"), "utf8")]])
})

const page = (file: string) => pages.get(file) ?? assert.fail(`there is no ${file}`)

/** The text below a heading of this page, to the next heading of the same or a higher level. */
const section = (text: string, isHeading: (heading: string) => boolean) => {
  const lines = text.split("\n")
  const start = lines.findIndex((line) => /^#+ /.test(line) && isHeading(line.replace(/^#+ /, "")))
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 0
  const length = lines.slice(start + 1).findIndex((line) => new RegExp(`^#{1,${level}} `).test(line))
  return lines.slice(start, length < 0 ? undefined : start + 1 + length).join("\n")
}

describe("the generated parts", () => {
  it("are what the code says now", async () => {
    const texts = await Effect.runPromise(blocks)
    for (const [file, text] of await readPages()) assert.strictEqual(refreshed(text, texts), text, file)
  })

  it("are replaced, and nothing else", () => {
    const begin = (name: string) => `<!-- generated: ${name} -->`
    const end = "<!-- end of generated -->"
    const page = (a: string, b: string) =>
      ["before", begin("a"), a, end, `between, \`${begin("c")}\``, begin("b"), b, end, "after"].join("\n")
    assert.strictEqual(refreshed(page("old", "old"), new Map([["a", "A"], ["b", "B"]])), page("\nA\n", "\nB\n"))
    assert.throws(() => refreshed(page("old", "old"), new Map([["a", "A"]])), "nothing is generated as \"b\"")
  })

  it.effect("have every flag of each subcommand, in a table for that subcommand", () =>
    Effect.gen(function*() {
      const configuration = page("docs/configuration.md")
      for (const { flags, globalFlags, name } of yield* subcommands) {
        const headings = configuration.split("\n").filter((line) =>
          line.startsWith("### ") && line.includes(`\`${name}\``)
        )
        const tables = headings.map((heading) => section(configuration, (text) => `### ${text}` === heading)).join("\n")
        assert.isAbove(flags.length, 5)
        for (const flag of flags) assert.include(tables, `| \`--${flag.name}\``, name)
        for (const flag of globalFlags) assert.include(configuration, `| \`--${flag.name}\``)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it("have every metric", () => {
    assert.isAbove(metrics.length, 20)
    for (const [, { id }] of metrics) assert.include(page("docs/metrics.md"), `| \`${id}\``)
  })
})

/** The anchor that a heading gets. */
const anchorOf = (heading: string) =>
  heading.replace(/^#+ /, "").toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")

const withoutCode = (text: string) => text.replace(/^```.*?^```/gms, "")

describe("the pages", () => {
  it("link only to what is there", async () => {
    for (const [file, text] of pages) {
      for (const [, target = ""] of withoutCode(text).matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target)) continue
        const [path = "", anchor] = target.split("#")
        const linked = path === "" ? file : join(dirname(file), path)
        await access(join(root, linked)).catch(() => assert.fail(`${file} links to ${target}`))
        if (anchor === undefined) continue
        const headings = withoutCode(page(linked)).split("\n").filter((line) => line.startsWith("#"))
        assert.include(headings.map(anchorOf), anchor, `${file} links to ${target}`)
      }
    }
  })

  it("name only scripts and files that are there", async () => {
    for (const [file, text] of pages) {
      for (const [, name = ""] of text.matchAll(/\bnpm run ([a-z]+)/g)) assert.property(manifest.scripts, name, file)
      for (const [, path = ""] of text.matchAll(/`((?:src|test|scripts|docs|demo|bench|proto|nix)\/[\w./-]+)`/g)) {
        await access(join(root, path)).catch(() => assert.fail(`${file} names ${path}`))
      }
    }
  })

  it("are all in the index", () => {
    const index = page("docs/README.md")
    for (const file of pages.keys()) {
      if (file.startsWith("docs/") && file !== "docs/README.md") {
        assert.include(index, `](${file.slice("docs/".length)})`)
      }
    }
  })
})
