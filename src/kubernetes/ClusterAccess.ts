import type { KubeConfig } from "@kubernetes/client-node"
import { Data, Effect, Exit, FileSystem, Option, Ref } from "effect"
import http from "node:http"
import https from "node:https"
import { isDeepStrictEqual } from "node:util"
import { type ClusterSource, firstLineOf, loadKubeconfig } from "./Kubeconfig.ts"

/** What a request needs to be let in: the connections to use, and the credentials that are not part of TLS. */
export interface Admission {
  readonly agent: http.Agent
  readonly headers: Readonly<Record<string, string>>
}

/** The credentials are not to be had now, e.g. because the kubeconfig's exec plugin fails. */
export class NoCredentials extends Data.TaggedError("NoCredentials")<{ readonly reason: string }> {}

/** The API server's address, and how to be let in. */
export interface ClusterAccess {
  readonly server: URL
  /** The namespace of the pod that the process runs in, or of the kubeconfig's context. */
  readonly namespace: Option.Option<string>
  /** Credentials of a few seconds ago at most, since tokens and client certificates rotate. */
  readonly admission: Effect.Effect<Admission, NoCredentials>
  /** Forgets the credentials and reads their source again: the API server did not accept them. */
  readonly renew: Effect.Effect<void>
}

/** How long credentials are used without another look at the files or the plugin that they come from. */
const freshness = "10 seconds"

/** Fails when the source can never work. Connections are kept open and reused until the scope closes. */
export const makeClusterAccess = Effect.fnUntraced(function*(source: ClusterSource) {
  const files = yield* FileSystem.FileSystem
  const load = Effect.provideService(loadKubeconfig(source), FileSystem.FileSystem, files)
  const { config, server } = yield* load
  const current = yield* Ref.make(config)
  const agentFor = yield* makeAgents

  const admit = Effect.gen(function*() {
    const config = yield* Ref.get(current)
    const options: https.RequestOptions = { headers: {} }
    yield* Effect.tryPromise({
      try: () => config.applyToHTTPSOptions(options),
      catch: (error) => new NoCredentials({ reason: firstLineOf(error) })
    }).pipe(
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () => Effect.fail(new NoCredentials({ reason: "the credentials plugin did not answer in time" }))
      })
    )
    return { agent: agentFor(server, options, proxied(config)), headers: headersOf(options) } satisfies Admission
  })
  const [admission, forget] = yield* Effect.cachedInvalidateWithTTL(
    admit,
    (exit) => Exit.isSuccess(exit) ? freshness : 0
  )

  const renew = load.pipe(
    Effect.flatMap(({ config }) => Ref.set(current, config)),
    Effect.catch(({ message }) => Effect.logWarning(message)),
    Effect.andThen(forget)
  )
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace
  return { server, namespace: Option.fromNullishOr(namespace), admission, renew } satisfies ClusterAccess
})

/** Connections for watches and a burst of calls; calls beyond wait for one. */
const maxConnections = 32
/** Servers close idle connections after a minute or more: this is before they do. */
const idleMillis = 30_000

const tlsKeys = ["ca", "cert", "key", "pfx", "passphrase", "rejectUnauthorized", "servername"] as const

/** One pool of connections as long as the certificates stay the same. The client's own agents do not keep any open. */
const makeAgents = Effect.gen(function*() {
  let latest: { readonly tls: https.AgentOptions; readonly agent: http.Agent } | undefined
  const made: Array<http.Agent> = []
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const agent of made) agent.destroy()
    })
  )

  return (server: URL, options: https.RequestOptions, proxied: boolean): http.Agent => {
    if (proxied && options.agent instanceof http.Agent) return options.agent
    const tls = Object.fromEntries(tlsKeys.flatMap((key) => options[key] === undefined ? [] : [[key, options[key]]]))
    if (latest !== undefined && isDeepStrictEqual(latest.tls, tls)) return latest.agent
    const Agent = server.protocol === "https:" ? https.Agent : http.Agent
    const agent = new Agent({ ...tls, keepAlive: true, maxSockets: maxConnections, timeout: idleMillis })
    made.push(agent)
    latest = { tls, agent }
    return agent
  }
})

const proxied = (config: KubeConfig) => (config.getCurrentCluster()?.proxyUrl ?? "") !== ""

const headersOf = ({ auth, headers = {} }: https.RequestOptions): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : [])
  ),
  ...(typeof auth === "string" ? { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {})
})
