import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, Layer } from "effect"
import { defaultKubeApiConfig, type KubeApiConfig, kubeApiLayer } from "../../../src/kubernetes/KubeApiLive.ts"
import { type ApiServerOptions, startApiServer } from "./ApiServer.ts"
import { makeCluster } from "./Cluster.ts"
import { kubeconfigText } from "./Kubeconfig.ts"

/** Writes a kubeconfig to a file that lives as long as the scope; answers its path. */
export const writeKubeconfig = Effect.fnUntraced(function*(text: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempFileScoped({ prefix: "rds-csi-", suffix: ".kubeconfig" })
  yield* files.writeFileString(path, text, { mode: 0o600 })
  return path
}, Effect.provide(NodeFileSystem.layer))

/** The API as the driver calls it, for whoever has a kubeconfig. */
export const apiLayer = (path: string, config: Partial<KubeApiConfig> = {}) =>
  kubeApiLayer({ _tag: "Kubeconfig", path }, { ...defaultKubeApiConfig, ...config }).pipe(
    Layer.provide(NodeFileSystem.layer)
  )

/** An API server, the cluster in it, and a layer with which the driver calls it. */
export const startCluster = Effect.fnUntraced(function*(
  options: ApiServerOptions = {},
  config: Partial<KubeApiConfig> = {}
) {
  const server = yield* startApiServer(options)
  const kubeconfig = yield* writeKubeconfig(kubeconfigText(server.url))
  return { ...server, ...makeCluster(server), kubeconfig, api: apiLayer(kubeconfig, config) }
})
