/** The programs of the control plane and the sidecars, in the releases that tools/go.mod names. */
import { copyFile, glob, mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { go, goPrograms } from "../../../scripts/go.ts"
import { root } from "../../../scripts/run.ts"

const module = join(root, "test/cluster/tools")
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

/** Directory with the programs, and with the definitions in `crd`. To build them takes long; what was built once is kept. */
export const providePrograms = async (): Promise<string> => {
  // What the API server says it is: Helm asks, and a chart may want a version.
  const version = (await go(module, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")).trim()
  const sources = (await Array.fromAsync(glob("**/*.go", { cwd: module }))).toSorted()
  return await goPrograms({
    kind: "cluster",
    module,
    packages,
    link: `-X k8s.io/component-base/version.gitVersion=${version}`,
    sources: await Promise.all(sources.map((file) => readFile(join(module, file)))),
    more: copyDefinitions
  })
}

const copyDefinitions = async (directory: string) => {
  const from = join((await go(module, "list", "-m", "-f", "{{.Dir}}", definitions)).trim(), "config/crd")
  await mkdir(join(directory, "crd"))
  for await (const file of glob("*.storage.k8s.io_*.yaml", { cwd: from })) {
    await copyFile(join(from, file), join(directory, "crd", file))
  }
}
