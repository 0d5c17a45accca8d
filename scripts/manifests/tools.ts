/** Programs in Go that check what is installed in a cluster, built from the versions in test/install/tools/go.mod. */
import { createHash } from "node:crypto"
import { access, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { root, run } from "../run.ts"

const folder = join(root, "test/install/tools")

/** Where what took long to make is kept, by its content. */
export const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rds-csi")

const packages = {
  helm: "helm.sh/helm/v4/cmd/helm",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform",
  kustomize: "sigs.k8s.io/kustomize/kustomize/v5"
} as const

/** Paths of the programs. */
export type Tools = Readonly<Record<keyof typeof packages, string>>

/** What `go` prints when it succeeds; throws what it said otherwise. */
export const go = async (args: ReadonlyArray<string>, cwd = folder): Promise<string> => {
  const { code, output, stdout } = await run(["go", ...args], { cwd, env: { CGO_ENABLED: "0" } })
  if (code !== 0) throw new Error(`go ${args.join(" ")} ended with ${code}:\n${output}`)
  return stdout
}

/** The programs, built if they are not in the cache. That takes minutes, most of them for Helm. */
export const provideTools = async (): Promise<Tools> => {
  const hash = createHash("sha256").update((await go(["version"])).trim())
  for (const file of ["go.mod", "go.sum"]) hash.update(await readFile(join(folder, file)))
  const place = join(cache, "manifest-tools", hash.digest("hex").slice(0, 16))
  if (!(await access(place).then(() => true, () => false))) {
    await mkdir(join(place, ".."), { recursive: true })
    const work = await mkdtemp(join(place, "..", "building-"))
    try {
      await go(["build", "-trimpath", "-ldflags=-s -w", "-o", `${work}/`, ...Object.values(packages)])
      await rename(work, place)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  return { helm: join(place, "helm"), kubeconform: join(place, "kubeconform"), kustomize: join(place, "kustomize") }
}
