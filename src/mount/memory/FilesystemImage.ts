import { Option, Schema } from "effect"
import type { DeviceContent } from "../Mounter.ts"

/** A file system as it lies on a device in memory. */
export interface FilesystemImage extends Schema.Schema.Type<typeof FilesystemImage> {}
const FilesystemImage = Schema.Struct({
  fsType: Schema.String,
  uuid: Schema.String,
  sizeBytes: Schema.BigIntFromString,
  /** Files in the root directory by name. */
  files: Schema.Record(Schema.String, Schema.String)
})

const Json = Schema.fromJsonString(FilesystemImage)

export const encode: (image: FilesystemImage) => string = Schema.encodeSync(Json)
export const decode: (content: string) => Option.Option<FilesystemImage> = Schema.decodeUnknownOption(Json)

/** As a low-level probe sees the content; whatever is no file system is named by its first word. */
export const contentOf = (content: string): DeviceContent => {
  if (content === "") return { _tag: "Empty" }
  return Option.match(decode(content), {
    onNone: () => ({ _tag: "Foreign", what: content.split(/\s/, 1).join("") }),
    onSome: ({ fsType, uuid }) => ({ _tag: "Formatted", fsType, uuid })
  })
}
