import { Effect, FileSystem, Schema } from "effect"
import { kubeconfigText } from "../../support/kubernetes/Kubeconfig.ts"
import { makeRawApi } from "../../support/kubernetes/RawApi.ts"
import type { ControlPlane } from "./ControlPlane.ts"

/** The namespace of the driver, as in its manifests. */
export const driverNamespace = "rds-csi"

const decodeToken = Schema.decodeUnknownEffect(Schema.Struct({ status: Schema.Struct({ token: Schema.String }) }))

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
