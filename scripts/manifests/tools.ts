/** Programs in Go that check what is installed in a cluster, built from the versions in test/install/tools/go.mod. */
import { join } from "node:path"
import { goPrograms } from "../go.ts"
import { root } from "../run.ts"

const packages = {
  helm: "helm.sh/helm/v4/cmd/helm",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform",
  kustomize: "sigs.k8s.io/kustomize/kustomize/v5"
} as const

/** Paths of the programs. */
export type Tools = Readonly<Record<keyof typeof packages, string>>

/** The programs, built if they are not kept from before. That takes minutes, most of them for Helm. */
export const provideTools = async (): Promise<Tools> => {
  const place = await goPrograms({
    kind: "manifest-tools",
    module: join(root, "test/install/tools"),
    packages: Object.values(packages)
  })
  return { helm: join(place, "helm"), kubeconform: join(place, "kubeconform"), kustomize: join(place, "kustomize") }
}
