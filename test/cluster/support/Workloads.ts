import { Effect, Option, type Schema } from "effect"
import { attachmentsPath, type Cluster, driverName } from "./Cluster.ts"
import { eventually, holds } from "./Eventually.ts"

type Api = Cluster["Service"]

/** The classes of manifests/base: the first makes a volume when a pod with its claim is about to be put on a node. */
const classes = { ReadWriteOnce: "rds-nvme", ReadWriteMany: "rds-nvme-rwx" } as const
const waitingClass = classes.ReadWriteOnce

export interface ClaimOptions {
  readonly accessMode?: "ReadWriteOnce" | "ReadWriteMany"
  readonly volumeMode?: "Filesystem" | "Block"
  readonly storage?: string
  readonly storageClass?: string
  readonly dataSource?: Schema.JsonObject
}

/** What people make in a cluster, and what kubelets do there: there are none. */
export const workloads = (api: Api) => {
  const { attachments, claim, raw, space, volume } = api
  const attachmentOf = (pv: string, node: string) =>
    Effect.map(attachments, (all) =>
      Option.fromNullishOr(
        all.find(({ spec }) => spec.nodeName === node && spec.source.persistentVolumeName === pv)
      ))
  const bound = (name: string) =>
    eventually(
      `claim ${name} is not bound`,
      Effect.gen(function*() {
        const { spec, status } = yield* claim(name)
        if (status.phase !== "Bound" || spec.volumeName === undefined) return { instead: yield* api.eventsOf(name) }
        return Option.some(yield* volume(spec.volumeName))
      })
    )
  const claimsPath = `${space}/persistentvolumeclaims`
  const nodeChosen = (name: string) =>
    raw("PATCH", `${claimsPath}/${name}`, {
      metadata: { annotations: { "volume.kubernetes.io/selected-node": "chosen" } }
    })
  const claimed = Effect.fnUntraced(function*(name: string, options: ClaimOptions = {}) {
    const accessMode = options.accessMode ?? "ReadWriteOnce"
    const storageClassName = options.storageClass ?? classes[accessMode]
    yield* raw("POST", claimsPath, {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name },
      spec: {
        accessModes: [accessMode],
        volumeMode: options.volumeMode ?? "Filesystem",
        storageClassName,
        resources: { requests: { storage: options.storage ?? "1Gi" } },
        ...(options.dataSource === undefined ? {} : { dataSource: options.dataSource })
      }
    })
    if (storageClassName === waitingClass) yield* nodeChosen(name)
  })

  return {
    attachmentOf,
    bound,
    /** What the scheduler says of the first pod with the claim. Which node it is means nothing to a driver without topology. */
    nodeChosen,
    /** Makes a claim, and a pod that waits for it, as far as the claim is told. */
    claimed,
    /** Makes a claim and waits for its volume. */
    provisioned: (name: string, options?: ClaimOptions) => Effect.andThen(claimed(name, options), bound(name)),
    removeClaim: (name: string) => raw("DELETE", `${claimsPath}/${name}`),

    /** Waits until the real attacher has attached it. */
    attached: (pv: string, node: string) =>
      eventually(
        `${pv} is not attached to ${node}`,
        Effect.map(attachmentOf(pv, node), (found) =>
          Option.match(found, {
            onNone: () => ({ instead: "no VolumeAttachment" }),
            onSome: (one) => one.status?.attached === true ? found : { instead: one.status }
          }))
      ),
    detached: (pv: string, node: string) =>
      holds(`${pv} is attached to ${node}`, Effect.map(attachmentOf(pv, node), Option.isNone)),
    /** Waits until the real attacher was refused; answers what the VolumeAttachment says of it. */
    refused: (pv: string, node: string) =>
      eventually(
        `${pv} was not refused to ${node}`,
        Effect.map(attachmentOf(pv, node), (found) => {
          const status = Option.getOrUndefined(found)?.status
          const message = status?.attachError?.message
          return status?.attached === false && message !== undefined ? Option.some(message) : { instead: status }
        })
      ),

    /** A VolumeAttachment as the attach-detach controller makes it, where that one is to have no say. */
    wantAttached: (pv: string, node: string, name = `${pv}-${node}`) =>
      raw("POST", attachmentsPath, {
        apiVersion: "storage.k8s.io/v1",
        kind: "VolumeAttachment",
        metadata: { name },
        spec: { attacher: driverName, nodeName: node, source: { persistentVolumeName: pv } }
      }),
    wantDetached: (pv: string, node: string) => raw("DELETE", `${attachmentsPath}/${pv}-${node}`),

    /** A pod that the scheduler has put on the node; nobody starts it. */
    pod: (
      name: string,
      node: string,
      claimName: string,
      { labels = {}, volumeMode = "Filesystem" }: {
        readonly volumeMode?: "Filesystem" | "Block"
        readonly labels?: Schema.JsonObject
      } = {}
    ) =>
      raw("POST", `${space}/pods`, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, labels },
        spec: {
          nodeName: node,
          containers: [{
            name: "main",
            image: "none",
            ...(volumeMode === "Block"
              ? { volumeDevices: [{ name: "data", devicePath: "/dev/data" }] }
              : { volumeMounts: [{ name: "data", mountPath: "/data" }] })
          }],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName } }]
        }
      }),
    /** Kubelet has stopped the pod, and says so. */
    removePod: (name: string) => raw("DELETE", `${space}/pods/${name}?gracePeriodSeconds=0`),

    /** A node with its kubelet and the driver's plugin, as far as the API tells. */
    addNode: Effect.fnUntraced(function*(name: string) {
      yield* raw("POST", "/api/v1/nodes", {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name, annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" } }
      })
      yield* raw("PATCH", `/api/v1/nodes/${name}/status`, ready("True"))
      yield* raw("POST", "/apis/storage.k8s.io/v1/csinodes", {
        apiVersion: "storage.k8s.io/v1",
        kind: "CSINode",
        metadata: { name },
        spec: { drivers: [{ name: driverName, nodeID: name, topologyKeys: [] }] }
      })
    }),
    removeNode: (name: string) =>
      Effect.andThen(
        raw("DELETE", `/api/v1/nodes/${name}`),
        raw("DELETE", `/apis/storage.k8s.io/v1/csinodes/${name}`)
      ),
    setReady: (name: string, status: "True" | "Unknown") => raw("PATCH", `/api/v1/nodes/${name}/status`, ready(status)),
    /** Kubelet says which volumes it has staged: the attach-detach controller leaves these alone. */
    stagedOn: (node: string, handles: ReadonlyArray<string>) =>
      raw("PATCH", `/api/v1/nodes/${node}/status`, {
        status: { volumesInUse: handles.map((handle) => `kubernetes.io/csi/${driverName}^${handle}`) }
      })
  }
}

const ready = (status: string): Schema.JsonObject => ({
  status: { conditions: [{ type: "Ready", status, reason: "Test", message: "said by the test" }] }
})
