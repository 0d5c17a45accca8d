import type { KubeConfig } from "@kubernetes/client-node"
import { Effect, FileSystem, Option, Schema } from "effect"
import { dirname, resolve } from "node:path"
import { KubeConfigInvalid } from "./Errors.ts"

/** Where the cluster and the credentials come from. */
export type ClusterSource =
  | { readonly _tag: "Kubeconfig"; readonly path: string }
  /** The service account of the pod that the process runs in. `root`, if given, is put before the paths of its files. */
  | { readonly _tag: "InCluster"; readonly root?: string }

/** Reads the source; fails when it names no cluster that could be called. */
export const loadKubeconfig = Effect.fnUntraced(function*(source: ClusterSource) {
  // The one module of the client that is needed, and only now: a process without a cluster never pays for it.
  const { KubeConfig } = yield* Effect.promise(() => import("@kubernetes/client-node/dist/config.js"))
  const config = new KubeConfig()
  if (source._tag === "InCluster") {
    yield* attempt(inCluster, () => config.loadFromCluster(source.root))
  } else {
    const { load } = yield* Effect.promise(() => import("js-yaml"))
    const text = yield* readText(source.path)
    yield* attempt(source.path, () => {
      config.loadFromString(text)
      config.makePathsAbsolute(dirname(source.path))
      readTokenFiles(config, usersIn(load(text)), dirname(source.path))
    })
  }
  return { config, server: yield* serverOf(config, source._tag === "InCluster" ? inCluster : source.path) }
})

/** Of any other form, about which the client has its own say, there are none. */
const usersIn = Schema.decodeUnknownOption(Schema.Struct({
  users: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Struct({
    name: Schema.String,
    user: Schema.optionalKey(
      Schema.NullOr(Schema.Struct({ tokenFile: Schema.optionalKey(Schema.NullOr(Schema.String)) }))
    )
  }))))
}))

/**
 * The client passes over `tokenFile` of a user, and would call as nobody. What it has for the token of a pod is the same: a
 * file that is read again from time to time, and counts more than a `token`.
 */
const readTokenFiles = (config: KubeConfig, found: ReturnType<typeof usersIn>, directory: string) => {
  for (const { name, user } of Option.getOrUndefined(found)?.users ?? []) {
    if (typeof user?.tokenFile !== "string") continue
    const authProvider = { name: "tokenFile", config: { tokenFile: resolve(directory, user.tokenFile) } }
    config.users = config.users.map((one) => one.name === name ? { ...one, authProvider } : one)
  }
}

const inCluster = "the pod's service account"

const readText = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    files.readFileString(path),
    (error) => new KubeConfigInvalid({ message: `kubeconfig ${path} cannot be read: ${error.reason._tag}` })
  )
})

/** Of an error's message the first line only: a YAML parser quotes the file in the others, secrets included. */
export const firstLineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n", 1).join("")

const attempt = (what: string, load: () => void) =>
  Effect.try({
    try: load,
    catch: (error) =>
      new KubeConfigInvalid({
        message: `${what} is not usable as kubeconfig: ${firstLineOf(error)}`
      })
  })

const serverOf = Effect.fnUntraced(function*(config: KubeConfig, what: string) {
  const server = config.getCurrentCluster()?.server
  if (server === undefined) {
    return yield* new KubeConfigInvalid({
      message: `${what} names no cluster: set current-context to a context whose cluster is defined`
    })
  }
  const url = URL.parse(server)
  if (url !== null && (url.protocol === "https:" || url.protocol === "http:")) return url
  return yield* new KubeConfigInvalid({
    message: what === inCluster
      ? "no kubeconfig was given, and this process does not run in a pod: KUBERNETES_SERVICE_HOST and " +
        "KUBERNETES_SERVICE_PORT are not set"
      : `${what} names the server ${JSON.stringify(server)}: it must be an http or https URL`
  })
})
