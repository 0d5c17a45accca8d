import { Effect, Schema, SchemaGetter, SchemaIssue } from "effect"

// Shapes of what RouterOS answers, as JSON of `print as-value` rows. Lenient in form: the console writes numbers in
// groups of digits or with a unit and booleans as yes/no, the script language does not; a property an item does not
// have is absent.

const units = "KMGTP"

/**
 * `1073741824`, `1 073 741 824`, `1024.0MiB`, `1G`: units are binary, and a text with a unit has been rounded by
 * RouterOS.
 */
const parseBytes = (text: string): bigint | undefined => {
  const [, digits = "", unit = ""] = /^(\d[\d ]*(?:\.\d+)?) ?(?:([KMGTP])(?:i?B)?)?$/i.exec(text.trim()) ?? []
  const plain = digits.replaceAll(" ", "")
  if (unit === "") return /^\d+$/.test(plain) ? BigInt(plain) : undefined
  return BigInt(Math.round(Number(plain) * 1024 ** (units.indexOf(unit.toUpperCase()) + 1)))
}

const Bytes = Schema.Union([Schema.Finite, Schema.String]).pipe(Schema.decodeTo(Schema.BigInt, {
  decode: SchemaGetter.transformEffect((value: number | string) => {
    const bytes = typeof value === "string"
      ? parseBytes(value)
      : Number.isSafeInteger(value)
      ? BigInt(value)
      : undefined
    return bytes === undefined
      ? Effect.fail(new SchemaIssue.InvalidValue({ message: `Expected a size, got ${JSON.stringify(value)}` }))
      : Effect.succeed(bytes)
  }),
  encode: SchemaGetter.transform(String)
}))

const Flag = Schema.Union([Schema.Boolean, Schema.Literals(["yes", "no", "true", "false"])]).pipe(
  Schema.decodeTo(Schema.Boolean, {
    decode: SchemaGetter.transform((value: boolean | "yes" | "no" | "true" | "false") =>
      value === true || value === "yes" || value === "true"
    ),
    encode: SchemaGetter.transform((value: boolean) => value)
  })
)

/** Absent, or `null`, which is how the serializer writes RouterOS' nil. */
const maybe = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Text = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]).pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transform(String),
    encode: SchemaGetter.transform((value: string) => value)
  })
)

/** A row of `/disk`, as far as the driver reads it: a file item, or a pool. */
const DiskRow = Schema.Struct({
  type: maybe(Text),
  slot: maybe(Text),
  comment: maybe(Text),
  size: maybe(Bytes),
  "file-path": maybe(Text),
  "file-size": maybe(Bytes),
  "nvme-tcp-export": maybe(Flag),
  "nvme-tcp-server-port": maybe(Bytes),
  "nvme-tcp-server-nqn": maybe(Text),
  "nvme-tcp-server-allow-host-name": maybe(Text),
  fs: maybe(Text),
  "fs-label": maybe(Text),
  "mount-point": maybe(Text),
  mounted: maybe(Flag),
  state: maybe(Text),
  free: maybe(Bytes)
})
export type DiskRow = typeof DiskRow.Type
export const DiskRows = Schema.Array(DiskRow)

/** A row of `/file`; `name` has no leading slash. */
const FileRow = Schema.Struct({ name: Text, size: maybe(Bytes) })
export const FileRows = Schema.Array(FileRow)

/** A row of `/disk/btrfs/subvolume`: `name` is the last part of `fullname`, its path below the top of the file system. */
const SubvolumeRow = Schema.Struct({
  fs: maybe(Text),
  name: maybe(Text),
  fullname: maybe(Text),
  "read-only": maybe(Flag)
})
export type SubvolumeRow = typeof SubvolumeRow.Type
export const SubvolumeRows = Schema.Array(SubvolumeRow)

/** What a new connection asks for: RouterOS' version, and how many enabled packages provide storage. */
export const Version = Text
export const Count = Bytes
