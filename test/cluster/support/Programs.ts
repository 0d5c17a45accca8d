/** The programs of the control plane and the sidecars, in the releases that tools/go.mod names. */
import { createHash } from "node:crypto"
import { access, copyFile, glob, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { installed, root, run } from "../../../scripts/run.ts"

const folder = join(root, "test/cluster/tools")
const kubernetesCsi = "github.com/kubernetes-csi"

const packages = [
  "./controlplane",
  `${kubernetesCsi}/external-attacher/v4/cmd/csi-attacher`,
  `${kubernetesCsi}/external-provisioner/v6/cmd/csi-provisioner`,
  `${kubernetesCsi}/external-resizer/v2/cmd/csi-resizer`,
  `${kubernetesCsi}/external-snapshotter/v8/cmd/csi-snapshotter`,
  `${kubernetesCsi}/external-snapshotter/v8/cmd/snapshot-controller`
]
/** Where the CustomResourceDefinitions of snapshots are. */
const definitions = `${kubernetesCsi}/external-snapshotter/client/v8`

/** Whether they can be built here; a machine of CI has to be able to. */
export const canBuild = async (): Promise<boolean> => {
  const can = await installed("go")
  if (!can && process.env["CI"] === "true") throw new Error("the control plane is built with Go, and there is no Go")
  return can
}

/** Directory with the programs, and with the definitions in `crd`. What was built once is kept. */
export const providePrograms = async (): Promise<string> => {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rds-csi", "cluster")
  // What the API server says it is: Helm asks, and a chart may want a version.
  const version = (await go("list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")).trim()
  const flags = ["-trimpath", `-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=${version}`]
  const hash = createHash("sha256").update((await go("version")).trim()).update(flags.join("\0"))
  const sources = await Array.fromAsync(glob("**/*.go", { cwd: folder }))
  for (const file of ["go.mod", "go.sum", ...sources.toSorted()]) hash.update(await readFile(join(folder, file)))
  const programs = join(cache, hash.digest("hex").slice(0, 16))
  if (await access(programs).then(() => true, () => false)) return programs
  console.log("building the control plane and the sidecars: once, and for a long time")
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, "building-"))
  try {
    await go("build", ...flags, "-o", `${work}/`, ...packages)
    const module = (await go("list", "-m", "-f", "{{.Dir}}", definitions)).trim()
    await mkdir(join(work, "crd"))
    for await (const file of glob("*.storage.k8s.io_*.yaml", { cwd: join(module, "config/crd") })) {
      await copyFile(join(module, "config/crd", file), join(work, "crd", file))
    }
    await rename(work, programs)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return programs
}

const go = async (...args: ReadonlyArray<string>) => {
  const { code, output, stdout } = await run(["go", ...args], { cwd: folder, env: { CGO_ENABLED: "0" } })
  if (code !== 0) throw new Error(`go ${args.join(" ")} ended with ${code}:\n${output}`)
  return stdout
}
