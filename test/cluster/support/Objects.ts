import { Schema } from "effect"

/** What the tests look at of the objects in the cluster. */

const Metadata = Schema.Struct({
  name: Schema.String,
  uid: Schema.String,
  deletionTimestamp: Schema.optionalKey(Schema.String),
  annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  finalizers: Schema.optionalKey(Schema.Array(Schema.String))
})

export const Claim = Schema.Struct({
  metadata: Metadata,
  spec: Schema.Struct({ volumeName: Schema.optionalKey(Schema.String) }),
  status: Schema.Struct({
    phase: Schema.optionalKey(Schema.String),
    capacity: Schema.optionalKey(Schema.Struct({ storage: Schema.String })),
    conditions: Schema.optionalKey(Schema.Array(Schema.Struct({ type: Schema.String })))
  })
})

export const Volume = Schema.Struct({
  metadata: Metadata,
  spec: Schema.Struct({
    capacity: Schema.Struct({ storage: Schema.String }),
    csi: Schema.Struct({
      volumeHandle: Schema.String,
      volumeAttributes: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
    })
  })
})
export type Volume = typeof Volume.Type

const Failure = Schema.Struct({ message: Schema.optionalKey(Schema.String) })

export const Attachment = Schema.Struct({
  metadata: Metadata,
  spec: Schema.Struct({
    nodeName: Schema.String,
    source: Schema.Struct({ persistentVolumeName: Schema.optionalKey(Schema.String) })
  }),
  status: Schema.optionalKey(Schema.Struct({
    attached: Schema.Boolean,
    attachError: Schema.optionalKey(Failure),
    attachmentMetadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  }))
})
export type Attachment = typeof Attachment.Type

export const Event = Schema.Struct({
  type: Schema.String,
  reason: Schema.String,
  message: Schema.String,
  count: Schema.optionalKey(Schema.Int),
  involvedObject: Schema.Struct({ kind: Schema.String, name: Schema.String })
})

export const listOf = <A, I>(item: Schema.Codec<A, I>) => Schema.Struct({ items: Schema.Array(item) })
