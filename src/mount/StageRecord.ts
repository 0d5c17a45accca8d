import { Schema } from "effect"
import { fsTypes } from "../volume/AccessMode.ts"
import { Nqn } from "../volume/Nqn.ts"
import { VolumeId } from "../volume/VolumeId.ts"

/** Where a staged volume is published on this node. */
export interface Publication extends Schema.Schema.Type<typeof Publication> {}
const Publication = Schema.Struct({
  targetPath: Schema.String,
  readOnly: Schema.Boolean
})

/** How a volume is staged: as a file system mounted at the staging path, or as a connected device with nothing there. */
export type StageMode = typeof StageMode.Type
const StageMode = Schema.Union([
  Schema.TaggedStruct("Block", {}),
  Schema.TaggedStruct("Filesystem", {
    fsType: Schema.Literals(fsTypes),
    /** The UUID in the file system's superblock. */
    uuid: Schema.String,
    flags: Schema.Array(Schema.String)
  })
])

/** Where the volume was connected, and how: what connecting it again takes. Times are in seconds. */
export interface RecordedConnection extends Schema.Schema.Type<typeof RecordedConnection> {}
const RecordedConnection = Schema.Struct({
  address: Schema.String,
  port: Schema.Int,
  tuning: Schema.Struct({
    ctrlLossTmo: Schema.Int,
    reconnectDelay: Schema.Int,
    keepAliveTmo: Schema.Int
  })
})

/**
 * What this node did for one volume, kept across restarts of the plugin and of the node. NodeUnstageVolume gets nothing
 * but the volume's id and a path; this says the rest. The kernel's state has the last word: a record may be stale.
 */
export interface StageRecord extends Schema.Schema.Type<typeof StageRecord> {}
export const StageRecord = Schema.Struct({
  version: Schema.Literal(1),
  volumeId: VolumeId.schema,
  nqn: Nqn.schema,
  stagingPath: Schema.String,
  mode: StageMode,
  readOnly: Schema.Boolean,
  /** The block device when it was staged; `identity` is the namespace's UUID or NGUID. */
  device: Schema.Struct({
    path: Schema.String,
    major: Schema.Int,
    minor: Schema.Int,
    sizeBytes: Schema.BigIntFromString,
    identity: Schema.String
  }),
  publications: Schema.Array(Publication),
  /** Absent in records of releases that did not keep it, until the volume is staged again. */
  connection: Schema.optionalKey(RecordedConnection)
})
