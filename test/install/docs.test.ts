import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { load, loadAll } from "js-yaml"
import { access, readFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"
import { base, find, Role } from "./Objects.ts"

const read = (file: string) => readFile(join(root, file), "utf8")
const pages = ["install", "upgrade", "uninstall", "kubevirt", "security"]

const blocks = (page: string, language: string): ReadonlyArray<string> =>
  [...page.matchAll(new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, "gm"))].map(([, text = ""]) => text)

describe("the pages about installing", () => {
  it("show the kustomization that is checked", async () => {
    const shown = blocks(await read("docs/install.md"), "yaml")
    assert.include(shown, await read("docs/examples/install/kustomization.yaml"))
  })

  it.each(pages)("%s has YAML that parses", async (page) => {
    for (const text of blocks(await read(`docs/${page}.md`), "yaml")) assert.isNotEmpty(loadAll(text))
  })

  it.each(pages)("%s names files and directories that are there", async (page) => {
    const text = await read(`docs/${page}.md`)
    for (const [, path = ""] of text.matchAll(/\b((?:manifests|charts|image|docs\/examples)\/[\w./-]+)/g)) {
      await access(join(root, path.replace(/[.,]$/, ""))).catch(() => assert.fail(`docs/${page}.md names ${path}`))
    }
  })

  it("give the controller the rights that docs/running.md explains", async () => {
    const [shown = ""] = blocks(await read("docs/running.md"), "yaml")
    const [role] = loadAll(shown)
    assert.deepStrictEqual(
      Schema.decodeUnknownSync(Role)(role),
      find(Role, "ClusterRole", "rds-csi-controller-driver")
    )
  })

  it("use a class that there is, for the first claim and for virtual machines", async () => {
    const classes = base.filter(({ kind }) => kind === "StorageClass").map(({ name }) => name)
    assert.sameMembers(classes, ["rds-nvme", "rds-nvme-rwx"])
    assert.match(await read("docs/examples/install/claim.yaml"), /storageClassName: rds-nvme\n/)
    const Class = Schema.Struct({
      provisioner: Schema.String,
      volumeBindingMode: Schema.String,
      parameters: Schema.Struct({ migrationTimeoutSeconds: Schema.String })
    })
    const [shown = ""] = blocks(await read("docs/kubevirt.md"), "yaml")
    assert.deepStrictEqual(
      Schema.decodeUnknownSync(Class)(load(shown)),
      find(Class, "StorageClass", "rds-nvme-rwx")
    )
  })
})
