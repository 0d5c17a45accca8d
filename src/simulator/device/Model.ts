import { Effect, Schema } from "effect"

const Bytes = Schema.BigIntFromString

/** A drive or array with a file system: where images live. `mountPoint` has no leading slash, as RouterOS prints it. */
export const Pool = Schema.Struct({
  id: Schema.Int,
  slot: Schema.String,
  mountPoint: Schema.String,
  /** Label of the file system; without it the one that formatting gives. */
  label: Schema.optionalKey(Schema.String),
  fs: Schema.Literals(["xfs", "btrfs", "ext4"]),
  sizeBytes: Bytes,
  state: Schema.String,
  mounted: Schema.Boolean,
  comment: Schema.String
})
export type Pool = typeof Pool.Type

/** A `/disk` item of `type=file`. `filePath` has its leading slash, as `/disk` prints it. */
export const FileDisk = Schema.Struct({
  id: Schema.Int,
  slot: Schema.String,
  comment: Schema.String,
  disabled: Schema.Boolean,
  filePath: Schema.String,
  fileSize: Bytes,
  fileOffset: Bytes,
  mountFilesystem: Schema.Boolean,
  mountReadOnly: Schema.Boolean,
  mountPointTemplate: Schema.String,
  compress: Schema.Boolean,
  swap: Schema.Boolean,
  exported: Schema.Boolean,
  port: Schema.Int,
  /** Empty: the default, which follows the slot. */
  nqn: Schema.String,
  allowHostName: Schema.String,
  password: Schema.String
})
export type FileDisk = typeof FileDisk.Type

/**
 * A file or directory; `path` has no leading slash, as `/file` prints it. Only small files carry contents, and
 * images what was written from their beginning on, if the device knows.
 */
export const FileEntry = Schema.Struct({
  id: Schema.Int,
  path: Schema.String,
  directory: Schema.Boolean,
  sizeBytes: Bytes,
  contents: Schema.String,
  /** Milliseconds since the epoch. */
  lastModified: Schema.Int,
  /** Of a file that came into being by a snapshot: the file whose blocks it shares. */
  sharedWith: Schema.optionalKey(Schema.Int)
})
export type FileEntry = typeof FileEntry.Type

/** A Btrfs subvolume other than the top; its directory is among the files. `path` is in the form of `/file`. */
export const Subvolume = Schema.Struct({
  id: Schema.Int,
  path: Schema.String,
  readOnly: Schema.Boolean,
  /** The subvolume that it is a snapshot of, which may be gone. */
  source: Schema.optionalKey(Schema.Int),
  /** Milliseconds since the epoch. */
  created: Schema.Int
})
export type Subvolume = typeof Subvolume.Type

/** A script of `/system/script`. */
export const Script = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  source: Schema.String,
  owner: Schema.String,
  comment: Schema.String,
  policies: Schema.Array(Schema.String),
  /** Runs whatever its policies are. */
  dontRequirePermissions: Schema.Boolean
})
export type Script = typeof Script.Type

/** A login: its group's policies and its public keys as authorized_keys lines. */
export const User = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  policies: Schema.Array(Schema.String),
  keys: Schema.Array(Schema.Struct({ id: Schema.Int, line: Schema.String }))
})
export type User = typeof User.Type

/** A part that devices of an earlier version do not have yet. */
const added = <S extends Schema.Constraint>(schema: S, initial: S["Type"]) =>
  Schema.withDecodingDefaultTypeKey<S>(Effect.succeed(initial))(schema)

/** The configuration of a device: what survives a reboot. */
export const DeviceState = Schema.Struct({
  /** Internal numbers are given once and never again. */
  nextIds: Schema.Struct({
    disk: Schema.Int,
    file: Schema.Int,
    user: Schema.Int,
    subvolume: added(Schema.Int, 1),
    script: added(Schema.Int, 1)
  }),
  identity: Schema.String,
  /** /ip/service ssh: logins at one time. */
  maxSessions: Schema.Int,
  pools: Schema.Array(Pool),
  disks: Schema.Array(FileDisk),
  files: Schema.Array(FileEntry),
  subvolumes: added(Schema.Array(Subvolume), []),
  scripts: added(Schema.Array(Script), []),
  users: Schema.Array(User)
})
export type DeviceState = typeof DeviceState.Type
