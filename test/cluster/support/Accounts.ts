import { Effect, FileSystem, Schema } from "effect"
import { kubeconfigText } from "../../support/kubernetes/Kubeconfig.ts"
import { makeRawApi } from "../../support/kubernetes/RawApi.ts"
import type { ControlPlane } from "./ControlPlane.ts"
import { listOf } from "./Objects.ts"
import { podAccount } from "./Shipped.ts"

/** The namespace of the driver, as in its manifests. */
export const driverNamespace = "rds-csi"

const decodeToken = Schema.decodeUnknownEffect(Schema.Struct({ status: Schema.Struct({ token: Schema.String }) }))

const decodeBindings = Schema.decodeUnknownEffect(listOf(Schema.Struct({
  metadata: Schema.Struct({ name: Schema.String }),
  roleRef: Schema.Struct({ apiGroup: Schema.String, kind: Schema.String, name: Schema.String }),
  subjects: Schema.optionalKey(Schema.Array(Schema.Struct({
    kind: Schema.String,
    name: Schema.String,
    namespace: Schema.optionalKey(Schema.String)
  })))
})))

const rbac = "/apis/rbac.authorization.k8s.io/v1"
const places = [
  { kind: "ClusterRoleBinding", path: `${rbac}/clusterrolebindings` },
  { kind: "RoleBinding", path: `${rbac}/namespaces/${driverNamespace}/rolebindings` }
]

/**
 * The containers of the controller's pod share an account, which has all of their roles. Here each gets one more account, called
 * like the role that it is for, with copies of the bindings to the roles of that name: so that it lacks what its own role lacks,
 * and the audit log tells who asked.
 */
export const separateAccounts = Effect.fnUntraced(function*(plane: ControlPlane) {
  const raw = yield* makeRawApi(plane.kubeconfig)
  const accounts = new Set<string>()
  for (const { kind, path } of places) {
    const { items } = yield* Effect.flatMap(raw("GET", path), decodeBindings)
    const ofPod = items.filter(({ subjects = [] }) =>
      subjects.some((one) =>
        one.kind === "ServiceAccount" && one.name === podAccount && one.namespace === driverNamespace
      )
    )
    for (const { metadata, roleRef } of ofPod) {
      accounts.add(roleRef.name)
      yield* raw("POST", path, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind,
        metadata: { name: `${metadata.name}-alone` },
        roleRef,
        subjects: [{ kind: "ServiceAccount", name: roleRef.name, namespace: driverNamespace }]
      })
    }
  }
  yield* Effect.forEach(accounts, (name) =>
    raw("POST", `/api/v1/namespaces/${driverNamespace}/serviceaccounts`, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name }
    }), { discard: true })
})

/**
 * A kubeconfig with what a pod of this service account has: the API server's address and certificate, the namespace, and a
 * file with a token that ends.
 */
export const accountKubeconfig = Effect.fnUntraced(function*(plane: ControlPlane, name: string, directory: string) {
  const files = yield* FileSystem.FileSystem
  const raw = yield* makeRawApi(plane.kubeconfig)
  const answer = yield* raw("POST", `/api/v1/namespaces/${driverNamespace}/serviceaccounts/${name}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 }
  })
  const { status } = yield* decodeToken(answer)
  const tokenFile = `${directory}/${name}.token`
  const path = `${directory}/${name}.kubeconfig`
  yield* files.writeFileString(tokenFile, status.token, { mode: 0o600 })
  const cluster = { "certificate-authority": `${plane.directory}/ca.crt` }
  yield* files.writeFileString(path, kubeconfigText(plane.server, { cluster, user: { tokenFile } }))
  return path
})
