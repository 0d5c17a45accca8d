/** What a release of the Go driver's chart has in a cluster and Kubernetes does not let anybody change. */
import { isDeepStrictEqual } from "node:util"
import { objectsIn, renderChart } from "./render.ts"
import type { Tools } from "./tools.ts"

const labels = (component: string) => ({
  "app.kubernetes.io/name": "rds-csi-driver",
  "app.kubernetes.io/instance": "rds-csi",
  "app.kubernetes.io/component": component
})

const storageClass = {
  provisioner: "rds.csi.srvlab.io",
  parameters: {
    "csi.storage.k8s.io/fstype": "ext4",
    nvmeAddress: "192.0.2.2",
    nvmePort: "4420",
    volumePath: "/storage-pool/metal-csi"
  },
  volumeBindingMode: "WaitForFirstConsumer",
  reclaimPolicy: "Delete"
}

/** By the object; with the values in ci/go-chart-values.yaml. */
const fixed: Readonly<Record<string, object>> = {
  "apps/v1 Deployment rds-csi rds-csi-rds-csi-driver-controller": {
    spec: { selector: { matchLabels: labels("controller") } }
  },
  "apps/v1 DaemonSet rds-csi rds-csi-rds-csi-driver-node": { spec: { selector: { matchLabels: labels("node") } } },
  "storage.k8s.io/v1 StorageClass  rds-nvme": storageClass,
  "storage.k8s.io/v1 StorageClass  rds-nvme-rwx": storageClass,
  "storage.k8s.io/v1 CSIDriver  rds.csi.srvlab.io": {
    spec: { attachRequired: true, volumeLifecycleModes: ["Persistent"], fsGroupPolicy: "File", podInfoOnMount: true }
  }
}

/** Whether `object` has all that `part` has. Maps of text are compared as a whole. */
const has = (object: unknown, part: unknown): boolean => {
  if (typeof object !== "object" || object === null || typeof part !== "object" || part === null) return object === part
  const isText = Object.values(part).every((value) => typeof value === "string")
  if (Array.isArray(part) || (isText && Object.keys(part).length > 0)) return isDeepStrictEqual(object, part)
  return Object.entries(part).every(([key, value]) => has(Reflect.get(object, key), value))
}

/** What `helm upgrade` of such a release would try to change, and be refused. */
export const changesOfFixed = async (tools: Tools, values: string): Promise<ReadonlyArray<string>> => {
  const objects = objectsIn([...(await renderChart(tools, [values])).values()].join("---\n"))
  return Object.entries(fixed).flatMap(([identity, part]) =>
    has(objects.get(identity), part) ? [] : [`the chart changes what cannot be changed of ${identity}`]
  )
}
