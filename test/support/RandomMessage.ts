import { type DescField, type DescMessage, getOption, type Message, ScalarType } from "@bufbuild/protobuf"
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect"
import { csi_secret } from "../../src/csi/gen/csi_pb.ts"

/** In every text and every byte string of a field that is secret, or inside one that is. */
export const secretText = "S3CR3T"

/** A message of any type: `entropy` decides which fields are set and how deep it goes. Texts say whether they are secret. */
export const randomMessage = (desc: DescMessage, entropy: ReadonlyArray<number>): Message => {
  let position = 0
  const next = () => entropy[position++ % entropy.length] ?? 0
  const message = reflect(desc)
  fill(message, next, 3, false)
  return message.message
}

type Next = () => number

const fill = (message: ReflectMessage, next: Next, depth: number, inSecret: boolean): void => {
  for (const field of message.fields) {
    if (next() % 4 > 0) setField(message, field, next, depth, inSecret || getOption(field, csi_secret))
  }
}

const setField = (message: ReflectMessage, field: DescField, next: Next, depth: number, secret: boolean) => {
  const value = () => valueOf(field, next, depth, secret)
  if (depth === 0 && field.message !== undefined) return
  switch (field.fieldKind) {
    case "list":
      for (let i = next() % 2; i >= 0; i--) message.get(field).add(value())
      return
    case "map":
      for (let i = next() % 2; i >= 0; i--) message.get(field).set(textOf(secret, next), value())
      return
    default:
      message.set(field, value())
  }
}

const valueOf = (field: DescField, next: Next, depth: number, secret: boolean): unknown => {
  if (field.message !== undefined) {
    const child = reflect(field.message)
    fill(child, next, depth - 1, secret)
    return child
  }
  if (field.enum !== undefined) return field.enum.values[next() % field.enum.values.length]?.number
  switch (field.scalar) {
    case ScalarType.STRING:
      return textOf(secret, next)
    case ScalarType.BYTES:
      return Buffer.from(textOf(secret, next))
    case ScalarType.BOOL:
      return next() % 2 === 0
    case ScalarType.INT64:
      return BigInt(next())
    default:
      return next()
  }
}

const textOf = (secret: boolean, next: Next) => `${secret ? secretText : "open"}-${next() % 100}`
