import { type DescField, type DescMessage, getOption, type MessageShape } from "@bufbuild/protobuf"
import { isReflectList, isReflectMap, isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect"
import { csi_secret } from "./gen/csi_pb.ts"

/** A JSON value; log lines hold nothing else. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** What stands in for a secret; the same text as the sidecars print. */
const stripped = "***stripped***"

/** A list is cut after so many entries: one log line is no place for ten thousand volumes. */
const maxEntries = 32

/**
 * The message for a log line: fields by their protobuf names, unset ones left out, and whatever the schema marks with the
 * option `csi_secret` replaced as a whole, at any depth (CSI spec, "Secrets Requirements"). Fields unknown to the schema do
 * not show.
 */
export const redact = <Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): Json =>
  renderMessage(reflect(desc, message))

const renderMessage = (message: ReflectMessage): Json =>
  Object.fromEntries(
    message.sortedFields
      .filter((field) => message.isSet(field))
      .map((field) => [field.name, getOption(field, csi_secret) ? stripped : render(field, message.get(field))])
  )

const render = (field: DescField, value: unknown): Json => {
  if (isReflectMessage(value)) return renderMessage(value)
  if (isReflectList(value)) return capped(Array.from(value, (item) => render(field, item)))
  if (isReflectMap(value)) {
    return Object.fromEntries(Array.from(value, ([key, item]) => [String(key), render(field, item)]))
  }
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === "boolean") return value
  if (typeof value === "number") return field.enum?.value[value]?.name ?? value
  return String(value)
}

const capped = (items: ReadonlyArray<Json>): Json =>
  items.length <= maxEntries ? items : [...items.slice(0, maxEntries), `… ${items.length - maxEntries} more`]
