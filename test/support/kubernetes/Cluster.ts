import { Result, type Schema } from "effect"
import { createHash } from "node:crypto"
import type { ApiServer } from "./ApiServer.ts"
import { type Kind, kinds } from "./Kinds.ts"
import { type ObjectKey, part, type Refusal } from "./ObjectStore.ts"

type JsonObject = Schema.JsonObject

const driverName = "rds.csi.srvlab.io"
const finalizer = "external-attacher/rds-csi-srvlab-io"

/** The name that kube-controller-manager gives to a VolumeAttachment (kubernetes, pkg/volume/csi: getAttachmentName). */
export const attachmentName = (handle: string, node: string): string =>
  `csi-${createHash("sha256").update(`${handle}${driverName}${node}`).digest("hex")}`

export interface VolumeOptions {
  /** Of the PersistentVolume; the handle, if absent. */
  readonly name?: string
  readonly driver?: string
  readonly accessModes?: ReadonlyArray<string>
  /** `namespace/name` of the claim that it is bound to; none, if empty. */
  readonly claim?: string
  readonly attributes?: JsonObject
  readonly annotations?: JsonObject
  readonly creationTimestamp?: string
}

export interface PodOptions {
  readonly node: string
  readonly claim?: string
  readonly labels?: JsonObject
  readonly owner?: { readonly kind: string; readonly uid: string }
  readonly phase?: string
}

/**
 * What else is in a cluster, played by hand: the people and controllers that make nodes, volumes, pods and attachments
 * (attach-detach controller), and the sidecar that reports on attachments (external-attacher).
 */
export const makeCluster = ({ objects: store }: Pick<ApiServer, "objects">) => {
  const key = (kind: Kind, name: string, namespace = ""): ObjectKey => ({ kind, name, namespace })
  const done = (result: Result.Result<JsonObject, Refusal>) =>
    Result.getOrThrowWith(result, ({ message }) => new Error(message))
  const create = (kind: Kind, name: string, object: JsonObject, namespace = "") =>
    done(store.create(key(kind, name, namespace), object))
  const change = (kind: Kind, name: string, patch: JsonObject) => done(store.patch(key(kind, name), patch, "both"))
  const remove = (kind: Kind, name: string) => {
    store.remove(key(kind, name))
  }

  return {
    /** A node on which the driver runs and is known as `nodeId` (the node's name, if absent); null: it is not registered. */
    addNode: (name: string, { nodeId = name }: { readonly nodeId?: string | null } = {}) => {
      create(kinds.node, name, { status: { conditions: [{ type: "Ready", status: "True" }] } })
      create(kinds.csiNode, name, {
        spec: { drivers: nodeId === null ? null : [{ name: driverName, nodeID: nodeId, topologyKeys: [] }] }
      })
    },
    /** The driver registers on the node as `nodeId`, or goes away from there (null), as it does while it restarts. */
    register: (name: string, nodeId: string | null) =>
      change(kinds.csiNode, name, {
        spec: { drivers: nodeId === null ? null : [{ name: driverName, nodeID: nodeId }] }
      }),
    removeNode: (name: string) => {
      remove(kinds.node, name)
      remove(kinds.csiNode, name)
    },
    setReady: (name: string, ready: boolean) =>
      change(kinds.node, name, { status: { conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }] } }),
    addVolume: (handle: string, options: VolumeOptions = {}) => {
      const { accessModes = ["ReadWriteOnce"], annotations, attributes = {}, claim = `default/${handle}` } = options
      const { creationTimestamp, driver = driverName, name = handle } = options
      const [claimNamespace = "", claimName = ""] = claim.split("/")
      create(kinds.persistentVolume, name, {
        metadata: {
          ...(annotations === undefined ? {} : { annotations }),
          ...(creationTimestamp === undefined ? {} : { creationTimestamp })
        },
        spec: {
          accessModes,
          capacity: { storage: "1Gi" },
          csi: { driver, volumeHandle: handle, volumeAttributes: attributes },
          ...(claim === "" ? {} : {
            claimRef: {
              kind: "PersistentVolumeClaim",
              namespace: claimNamespace,
              name: claimName,
              uid: `uid-${claimName}`
            }
          })
        }
      })
    },
    removeVolume: (name: string) => remove(kinds.persistentVolume, name),
    /** A claim in the namespace `default`; answers its uid. */
    addClaim: (name: string, spec: JsonObject = {}): string => {
      const { uid } = part(create(kinds.persistentVolumeClaim, name, { spec }, "default"), "metadata")
      return typeof uid === "string" ? uid : ""
    },
    removeClaim: (name: string) => {
      store.remove(key(kinds.persistentVolumeClaim, name, "default"))
    },
    annotate: (volume: string, annotations: JsonObject) =>
      change(kinds.persistentVolume, volume, { metadata: { annotations } }),
    annotationsOf: (volume: string): JsonObject =>
      part(part(done(store.get(key(kinds.persistentVolume, volume))), "metadata"), "annotations"),

    /** The attach-detach controller wants the volume on the node. */
    attach: (handle: string, node: string, { attacher = driverName, volume = handle } = {}): string => {
      const name = attachmentName(handle, node)
      create(kinds.volumeAttachment, name, {
        metadata: { finalizers: [finalizer] },
        spec: { attacher, nodeName: node, source: { persistentVolumeName: volume } },
        status: { attached: false }
      })
      return name
    },
    /** external-attacher: the driver published it, as `nodeId`. */
    attached: (attachment: string, nodeId: string) =>
      change(kinds.volumeAttachment, attachment, {
        metadata: { annotations: { "csi.alpha.kubernetes.io/node-id": nodeId } },
        status: { attached: true, attachError: null }
      }),
    /** The attach-detach controller wants it detached. */
    detach: (attachment: string) => remove(kinds.volumeAttachment, attachment),
    /** external-attacher: the driver unpublished it. */
    detached: (attachment: string) => change(kinds.volumeAttachment, attachment, { metadata: { finalizers: null } }),

    /** The VolumeAttachment is gone without a word to the driver, as after a forced detach. */
    forget: (handle: string, node: string) => {
      const attachment = attachmentName(handle, node)
      remove(kinds.volumeAttachment, attachment)
      change(kinds.volumeAttachment, attachment, { metadata: { finalizers: null } })
    },

    /** A pod in the namespace `default`; answers its uid. */
    addPod: (name: string, { claim, labels, node, owner, phase = "Running" }: PodOptions): string => {
      const pod = create(kinds.pod, name, {
        metadata: {
          ...(labels === undefined ? {} : { labels }),
          ...(owner === undefined ? {} : { ownerReferences: [{ apiVersion: "v1", name: "owner", ...owner }] })
        },
        spec: {
          nodeName: node,
          volumes: claim === undefined ? [] : [{ name: "data", persistentVolumeClaim: { claimName: claim } }]
        },
        status: { phase }
      }, "default")
      const { uid } = part(pod, "metadata")
      return typeof uid === "string" ? uid : ""
    },
    /** All Events, oldest first. */
    events: (): ReadonlyArray<JsonObject> => store.list(kinds.event)
  }
}

export type Cluster = ReturnType<typeof makeCluster>
