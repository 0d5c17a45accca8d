import { Effect, FileSystem } from "effect"
import { generateKeyPairSync, randomUUID } from "node:crypto"
import { freePort } from "../../support/FreePort.ts"
import { kubeconfigText } from "../../support/kubernetes/Kubeconfig.ts"
import { selfSigned } from "../../support/kubernetes/SelfSigned.ts"
import { supervise, workDirectory } from "./Supervised.ts"

/** No others are needed: there are no kubelets or Services here. */
const controllers = [
  // They make the driver's pod, which nobody starts, and so show that it is let in.
  "deployment-controller",
  "replicaset-controller",
  "serviceaccount-controller",
  "namespace-controller",
  "garbage-collector-controller",
  "pod-garbage-collector-controller",
  "persistentvolume-binder-controller",
  "persistentvolume-attach-detach-controller",
  "persistentvolume-expander-controller",
  "persistentvolume-protection-controller",
  "persistentvolumeclaim-protection-controller"
]

/** Requests of the driver's and the sidecars' service accounts, as they end. */
const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata", userGroups: ["system:serviceaccounts:rds-csi"] }, { level: "None" }]
}

/** What a test needs of the control plane, which runs in another process. */
export interface ControlPlane {
  /** With the programs and the definitions of snapshots. */
  readonly programs: string
  /** With the logs and process ids of what runs, `audit.log`, and `ca.crt`. */
  readonly directory: string
  readonly server: string
  /** Of somebody who may do everything. */
  readonly kubeconfig: string
}

/** How long a node that says nothing may keep what kube-controller-manager wants to detach: six minutes elsewhere. */
const forceDetachAfter = "20s"

/** etcd, API server and controller manager, each started again when it ends. */
export const startControlPlane = Effect.fnUntraced(function*(programs: string) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* workDirectory("cluster")
  const write = (name: string, text: string) =>
    Effect.as(files.writeFileString(`${directory}/${name}`, text, { mode: 0o600 }), `${directory}/${name}`)
  const ports = { etcd: yield* freePort, peers: yield* freePort, server: yield* freePort }
  const server = `https://127.0.0.1:${ports.server}`
  const token = randomUUID()

  const { cert, key } = selfSigned()
  const serving = { cert: yield* write("ca.crt", cert), key: yield* write("tls.key", key) }
  const signing = yield* write("signing.key", signingKey())
  const user = { token }
  const cluster = { "certificate-authority": serving.cert }
  const kubeconfig = yield* write("admin.kubeconfig", kubeconfigText(server, { cluster, user }))

  const start = (name: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    supervise({ name, directory, command: [`${programs}/controlplane`, name, ...args], env })
  yield* start("etcd", etcdFlags(directory, ports))
  yield* start(
    "kube-apiserver",
    serverFlags({
      directory,
      etcd: ports.etcd,
      port: ports.server,
      serving,
      signing,
      tokens: yield* write("tokens.csv", `${token},admin,admin,system:masters\n`),
      policy: yield* write("audit-policy.json", JSON.stringify(auditPolicy))
    })
  )
  yield* start("kube-controller-manager", managerFlags(kubeconfig, signing, serving.cert), {
    FORCE_DETACH_AFTER: forceDetachAfter
  })
  return { programs, directory, server, kubeconfig } satisfies ControlPlane
})

const signingKey = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "sec1", format: "pem" }).toString()

const etcdFlags = (directory: string, ports: { readonly etcd: number; readonly peers: number }) => {
  const url = (port: number) => `http://127.0.0.1:${port}`
  return [
    `--data-dir=${directory}/etcd`,
    "--name=default",
    `--listen-client-urls=${url(ports.etcd)}`,
    `--advertise-client-urls=${url(ports.etcd)}`,
    `--listen-peer-urls=${url(ports.peers)}`,
    `--initial-advertise-peer-urls=${url(ports.peers)}`,
    `--initial-cluster=default=${url(ports.peers)}`,
    // What it holds is worth nothing after the tests.
    "--unsafe-no-fsync",
    "--log-level=warn"
  ]
}

const serverFlags = (options: {
  readonly directory: string
  readonly etcd: number
  readonly port: number
  readonly serving: { readonly cert: string; readonly key: string }
  readonly signing: string
  readonly tokens: string
  readonly policy: string
}) => [
  `--etcd-servers=http://127.0.0.1:${options.etcd}`,
  "--bind-address=127.0.0.1",
  "--advertise-address=127.0.0.1",
  "--endpoint-reconciler-type=none",
  `--secure-port=${options.port}`,
  `--cert-dir=${options.directory}`,
  `--tls-cert-file=${options.serving.cert}`,
  `--tls-private-key-file=${options.serving.key}`,
  "--authorization-mode=RBAC",
  // As kubeadm and others have it. Without it nobody has a privileged container, which the node plugin's is.
  "--allow-privileged",
  `--token-auth-file=${options.tokens}`,
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-account-key-file=${options.signing}`,
  `--service-account-signing-key-file=${options.signing}`,
  "--service-cluster-ip-range=10.96.0.0/16",
  `--audit-policy-file=${options.policy}`,
  `--audit-log-path=${options.directory}/audit.log`,
  // As it does in a cluster with one API server: else a stop waits for the watches of everybody.
  "--shutdown-delay-duration=0s"
]

const managerFlags = (kubeconfig: string, signing: string, ca: string) => [
  `--kubeconfig=${kubeconfig}`,
  `--controllers=${controllers.join(",")}`,
  "--leader-elect=false",
  "--secure-port=0",
  "--kube-api-qps=100",
  "--kube-api-burst=200",
  `--service-account-private-key-file=${signing}`,
  `--root-ca-file=${ca}`,
  "--v=2"
]
