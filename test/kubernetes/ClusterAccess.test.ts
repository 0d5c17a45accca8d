import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option } from "effect"
import { KubeApi } from "../../src/kubernetes/KubeApi.ts"
import { defaultKubeApiConfig, kubeApiLayer } from "../../src/kubernetes/KubeApiLive.ts"
import type { ClusterSource } from "../../src/kubernetes/Kubeconfig.ts"
import { nodes } from "../../src/kubernetes/Resources.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { startApiServer } from "../support/kubernetes/ApiServer.ts"
import { makeCluster } from "../support/kubernetes/Cluster.ts"
import { writeKubeconfig } from "../support/kubernetes/Harness.ts"
import { kubeconfigText } from "../support/kubernetes/Kubeconfig.ts"
import { selfSigned } from "../support/kubernetes/SelfSigned.ts"

const base64 = (text: string) => Buffer.from(text).toString("base64")

const connect = Effect.fnUntraced(function*(source: ClusterSource) {
  const layer = Layer.provide(kubeApiLayer(source, defaultKubeApiConfig), NodeFileSystem.layer)
  return yield* Effect.provide(KubeApi, yield* Layer.build(layer))
})
const connectWith = (text: string) =>
  Effect.flatMap(writeKubeconfig(text), (path) => connect({ _tag: "Kubeconfig", path }))

const startServer = Effect.fnUntraced(function*(...args: Parameters<typeof startApiServer>) {
  const server = yield* startApiServer(...args)
  makeCluster(server).addNode("n1")
  return server
})

/** Whether the API lets the caller in, or the error with which it does not. */
const entry = (kube: KubeApi["Service"]) =>
  kube.get(nodes, { name: "n1" }).pipe(
    Effect.as("in"),
    Effect.catch(({ _tag, message }) => Effect.succeed(`${_tag} ${message}`))
  )

describe("ClusterAccess: what cannot work says so at once, without secrets", () => {
  const secret = "c2VjcmV0IHRva2Vu"
  const wrong = [
    ["an empty file", "", /is not usable as kubeconfig|names no cluster/],
    ["no YAML", `users: [ {token: ${secret}`, /is not usable as kubeconfig/],
    ["a list", "- a\n- b\n", /names no cluster/],
    [
      "no current context",
      kubeconfigText("https://x").replace("\"current-context\":\"test\"", "\"x\":1"),
      /names no cluster/
    ],
    [
      "a cluster without a server",
      kubeconfigText("https://x").replace("\"server\":\"https://x\"", "\"x\":1"),
      /server is missing/
    ],
    ["a server that is no URL", kubeconfigText("x:y z"), /names the server "x:y z": it must be an http or https URL/]
  ] as const
  for (const [what, text, expected] of wrong) {
    it.live(what, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(connectWith(text))
        assert.strictEqual(error._tag, "KubeConfigInvalid")
        assert.match(error.message, expected)
        assert.notInclude(error.message, secret)
        assert.notInclude(error.message, "\n")
      }))
  }

  it.live("no file", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connect({ _tag: "Kubeconfig", path: "/nowhere/kubeconfig" }))
      assert.strictEqual(error.message, "kubeconfig /nowhere/kubeconfig cannot be read: NotFound")
    }))

  it.live("no cluster around the process", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connect({ _tag: "InCluster" }))
      assert.strictEqual(error._tag, "KubeConfigInvalid")
      assert.match(error.message, /KUBERNETES_SERVICE_HOST/)
    }))
})

describe("ClusterAccess: credentials", () => {
  it.live("a token, which is read again when it is no longer accepted", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const files = yield* FileSystem.FileSystem
      const path = yield* writeKubeconfig(kubeconfigText(server.url, { user: { token: "first" } }))
      const kube = yield* connect({ _tag: "Kubeconfig", path })
      server.accept(["first"])
      assert.strictEqual(yield* entry(kube), "in")
      server.accept(["second"])
      assert.strictEqual(yield* entry(kube), "KubeForbidden get Node n1: the API server answered 401: Unauthorized")
      yield* files.writeFileString(path, kubeconfigText(server.url, { user: { token: "second" } }))
      assert.strictEqual(yield* entry(kube), "in")
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.live("a file with a token, named in the kubeconfig, as it rotates", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-" })
      const path = `${directory}/kubeconfig`
      yield* files.writeFileString(path, kubeconfigText(server.url, { user: { tokenFile: "token" } }))
      yield* files.writeFileString(`${directory}/token`, "first")
      const kube = yield* connect({ _tag: "Kubeconfig", path })
      server.accept(["first"])
      assert.strictEqual(yield* entry(kube), "in")
      yield* files.writeFileString(`${directory}/token`, "second")
      server.accept(["second"])
      assert.strictEqual(yield* entry(kube), "in")
    }).pipe(Effect.provide(NodeFileSystem.layer), capturedLogs().run))

  it.live("an exec plugin; one that fails is an error that may pass", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      server.accept(["from-plugin"])
      const credential = {
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: { token: "from-plugin" }
      }
      const plugin = (script: string) =>
        kubeconfigText(server.url, {
          user: {
            exec: { apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: ["-e", script] }
          }
        })
      const good = yield* connectWith(plugin(`console.log(${JSON.stringify(JSON.stringify(credential))})`))
      assert.strictEqual(yield* entry(good), "in")
      const bad = yield* connectWith(plugin("console.error('not logged in'); process.exit(1)"))
      assert.strictEqual(
        yield* entry(bad),
        "KubeUnavailable get Node n1: the API server did not answer: no credentials: not logged in"
      )
    }))

  it.live("the namespace is that of the context", () =>
    Effect.gen(function*() {
      const kube = yield* connectWith(kubeconfigText("https://127.0.0.1:1"))
      assert.deepStrictEqual(kube.namespace, Option.some("rds-csi"))
    }))
})

describe("ClusterAccess: TLS", () => {
  const own = selfSigned()
  const another = selfSigned()

  it.live("only a server whose certificate the kubeconfig's authority signed is talked to", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ tls: own })
      const cluster = { "certificate-authority-data": base64(own.cert) }
      assert.strictEqual(yield* entry(yield* connectWith(kubeconfigText(server.url, { cluster }))), "in")
      const wrong = { "certificate-authority-data": base64(another.cert) }
      for (const distrusting of [{ cluster: wrong }, {}]) {
        const kube = yield* connectWith(kubeconfigText(server.url, distrusting))
        assert.match(yield* entry(kube), /^KubeUnavailable .*: (DEPTH_ZERO_)?SELF_SIGNED_CERT/)
      }
      assert.strictEqual(server.requests.length, 1)
    }))

  it.live("the name in the certificate is checked, and may be given", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ tls: own })
      const named = (name: string) =>
        kubeconfigText(server.url, {
          cluster: { "certificate-authority-data": base64(own.cert), "tls-server-name": name }
        })
      assert.strictEqual(yield* entry(yield* connectWith(named("kubernetes.example"))), "in")
      assert.match(yield* entry(yield* connectWith(named("other.example"))), /ERR_TLS_CERT_ALTNAME_INVALID/)
    }))

  it.live("in a pod: the service account's authority, namespace, and token as it rotates", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ tls: own })
      const files = yield* FileSystem.FileSystem
      const root = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-" })
      const account = `${root}/var/run/secrets/kubernetes.io/serviceaccount`
      yield* files.makeDirectory(account, { recursive: true })
      yield* files.writeFileString(`${account}/ca.crt`, own.cert)
      yield* files.writeFileString(`${account}/namespace`, "storage")
      yield* files.writeFileString(`${account}/token`, "first")
      yield* withEnvironment({ KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(server.port) })
      const kube = yield* connect({ _tag: "InCluster", root })
      assert.deepStrictEqual(kube.namespace, Option.some("storage"))
      server.accept(["first"])
      assert.strictEqual(yield* entry(kube), "in")
      yield* files.writeFileString(`${account}/token`, "second")
      server.accept(["second"])
      assert.strictEqual(yield* entry(kube), "in")
    }).pipe(Effect.provide(NodeFileSystem.layer), capturedLogs().run))
})

/** Sets variables for as long as the scope is open. */
const withEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      Object.assign(process.env, variables)
    }),
    () =>
      Effect.sync(() => {
        for (const name of Object.keys(variables)) delete process.env[name]
      })
  )
