import { DateTime, Schema, SchemaGetter } from "effect"
import { type ObjectOf, resource } from "./Resource.ts"

// The kinds that the driver reads or writes, each with the fields it uses (Kubernetes API reference; `null` and absent mean
// the same there). Objects are kept in memory in this form.

/** An instant as the API writes it (RFC 3339); milliseconds since the epoch in the program. */
const Instant = Schema.DateTimeUtcFromString.pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transform((time: DateTime.Utc) => DateTime.toEpochMillis(time)),
    encode: SchemaGetter.transform((millis: number) => DateTime.makeUnsafe(millis))
  })
)

/** The form of a MicroTime, which takes exactly six digits: `2025-01-02T03:04:05.678000Z`. */
export const microTime = (time: DateTime.DateTime): string => DateTime.formatIso(time).replace("Z", "000Z")

const optional = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))
const Texts = Schema.Record(Schema.String, Schema.String)

const identity = { name: Schema.String, uid: Schema.String, resourceVersion: Schema.String }

/** Annotations of a PersistentVolume that say who may use it; the last two are for people only. */
export const annotations = {
  attachments: "rds.csi.srvlab.io/attachments",
  attachedNode: "rds.csi.srvlab.io/attached-node",
  attachedAt: "rds.csi.srvlab.io/attached-at"
} as const

/** Where external-attacher notes the node id that it publishes to. */
export const nodeIdAnnotation = "csi.alpha.kubernetes.io/node-id"

export const nodes = resource({
  kind: "Node",
  apiVersion: "v1",
  plural: "nodes",
  schema: Schema.Struct({
    metadata: Schema.Struct(identity),
    status: optional(Schema.Struct({
      conditions: optional(Schema.Array(Schema.Struct({ type: Schema.String, status: Schema.String })))
    }))
  })
})
export type Node = ObjectOf<typeof nodes>

export const csiNodes = resource({
  kind: "CSINode",
  apiVersion: "storage.k8s.io/v1",
  plural: "csinodes",
  schema: Schema.Struct({
    metadata: Schema.Struct(identity),
    spec: Schema.Struct({
      drivers: optional(Schema.Array(Schema.Struct({ name: Schema.String, nodeID: Schema.String })))
    })
  })
})
export type CSINode = ObjectOf<typeof csiNodes>

export const persistentVolumes = resource({
  kind: "PersistentVolume",
  apiVersion: "v1",
  plural: "persistentvolumes",
  schema: Schema.Struct({
    metadata: Schema.Struct({
      ...identity,
      creationTimestamp: Instant,
      annotations: optional(Schema.Struct({
        [annotations.attachments]: Schema.optionalKey(Schema.String),
        [annotations.attachedNode]: Schema.optionalKey(Schema.String),
        [annotations.attachedAt]: Schema.optionalKey(Schema.String)
      }))
    }),
    spec: Schema.Struct({
      accessModes: optional(Schema.Array(Schema.String)),
      claimRef: optional(Schema.Struct({
        namespace: Schema.optionalKey(Schema.String),
        name: Schema.optionalKey(Schema.String),
        uid: Schema.optionalKey(Schema.String)
      })),
      csi: optional(Schema.Struct({
        driver: Schema.String,
        volumeHandle: Schema.String,
        readOnly: optional(Schema.Boolean),
        volumeAttributes: optional(Schema.Struct({ migrationTimeoutSeconds: Schema.optionalKey(Schema.String) }))
      }))
    })
  })
})
export type PersistentVolume = ObjectOf<typeof persistentVolumes>

/** PersistentVolumes again, by all that can name a volume. Read now and then, and not kept. */
export const namingVolumes = resource({
  kind: "PersistentVolume",
  apiVersion: "v1",
  plural: "persistentvolumes",
  schema: Schema.Struct({
    metadata: Schema.Struct(identity),
    spec: Schema.Struct({
      csi: optional(Schema.Struct({
        volumeHandle: Schema.String,
        volumeAttributes: optional(Schema.Struct({
          nqn: Schema.optionalKey(Schema.String),
          volumePath: Schema.optionalKey(Schema.String)
        }))
      }))
    })
  })
})

export const volumeClaims = resource({
  kind: "PersistentVolumeClaim",
  apiVersion: "v1",
  plural: "persistentvolumeclaims",
  schema: Schema.Struct({
    metadata: Schema.Struct({ ...identity, namespace: Schema.String }),
    spec: Schema.Struct({ volumeName: optional(Schema.String) })
  })
})

export const volumeAttachments = resource({
  kind: "VolumeAttachment",
  apiVersion: "storage.k8s.io/v1",
  plural: "volumeattachments",
  schema: Schema.Struct({
    metadata: Schema.Struct({
      ...identity,
      creationTimestamp: Instant,
      deletionTimestamp: optional(Instant),
      annotations: optional(Schema.Struct({ [nodeIdAnnotation]: Schema.optionalKey(Schema.String) }))
    }),
    spec: Schema.Struct({
      attacher: Schema.String,
      nodeName: Schema.String,
      source: Schema.Struct({ persistentVolumeName: optional(Schema.String) })
    }),
    status: optional(Schema.Struct({ attached: optional(Schema.Boolean) }))
  })
})
export type VolumeAttachment = ObjectOf<typeof volumeAttachments>

export const pods = resource({
  kind: "Pod",
  apiVersion: "v1",
  plural: "pods",
  schema: Schema.Struct({
    metadata: Schema.Struct({
      ...identity,
      labels: optional(Texts),
      ownerReferences: optional(Schema.Array(Schema.Struct({ kind: Schema.String, uid: Schema.String })))
    }),
    spec: Schema.Struct({
      volumes: optional(Schema.Array(Schema.Struct({
        persistentVolumeClaim: optional(Schema.Struct({ claimName: Schema.String }))
      })))
    }),
    status: optional(Schema.Struct({ phase: optional(Schema.String) }))
  })
})
export type Pod = ObjectOf<typeof pods>

export const events = resource({
  kind: "Event",
  apiVersion: "v1",
  plural: "events",
  schema: Schema.Struct({ metadata: Schema.Struct(identity), count: optional(Schema.Finite) })
})

export const leases = resource({
  kind: "Lease",
  apiVersion: "coordination.k8s.io/v1",
  plural: "leases",
  schema: Schema.Struct({
    metadata: Schema.Struct(identity),
    spec: optional(Schema.Struct({
      holderIdentity: optional(Schema.String),
      leaseDurationSeconds: optional(Schema.Finite),
      acquireTime: optional(Schema.String),
      renewTime: optional(Schema.String),
      leaseTransitions: optional(Schema.Finite)
    }))
  })
})
export type Lease = ObjectOf<typeof leases>
