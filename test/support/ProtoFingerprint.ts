import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  hasOption,
  ScalarType
} from "@bufbuild/protobuf"

/**
 * Everything of a protobuf file that two ends must agree on, one sorted line each: package, messages, fields with number, type
 * and label, oneofs, enum values, methods with streaming, extensions, and which of the file's own options are set where.
 */
export const fingerprint = (file: DescFile): ReadonlyArray<string> => {
  const options = optionsOf(file)
  return [
    `package ${file.proto.package}: ${file.proto.syntax}, go_package ${file.proto.options?.goPackage ?? ""}`,
    ...file.extensions.map((field) =>
      `extension ${field.typeName} ${field.extendee.typeName} = ${field.number}: ${typeOf(field)}`
    ),
    ...file.messages.flatMap((message) => messageLines(message, options)),
    ...file.enums.flatMap((desc) => enumLines(desc, options)),
    ...file.services.flatMap((service) => serviceLines(service, options))
  ].sort()
}

type Options = (
  element:
    | DescMessage
    | DescField
    | DescEnum
    | DescEnum["values"][number]
    | DescService
    | DescService["methods"][number]
) => string

/** Names of the file's own options that are set on an element, as ` [a, b]`. */
const optionsOf = (file: DescFile): Options => (element) => {
  const names = file.extensions.filter((option) => hasOption(element, option)).map((option) => option.name).sort()
  return names.length === 0 ? "" : ` [${names.join(", ")}]`
}

const messageLines = (message: DescMessage, options: Options): ReadonlyArray<string> => [
  `message ${message.typeName}${options(message)}`,
  ...message.fields.map((field) =>
    `field ${message.typeName}.${field.name} = ${field.number}: ${typeOf(field)}` +
    `${field.oneof === undefined ? "" : ` in oneof ${field.oneof.name}`}${options(field)}`
  ),
  ...message.nestedMessages.flatMap((nested) => messageLines(nested, options)),
  ...message.nestedEnums.flatMap((nested) => enumLines(nested, options))
]

const enumLines = (desc: DescEnum, options: Options): ReadonlyArray<string> => [
  `enum ${desc.typeName}${options(desc)}`,
  ...desc.values.map((value) => `value ${desc.typeName}.${value.name} = ${value.number}${options(value)}`)
]

const serviceLines = (service: DescService, options: Options): ReadonlyArray<string> => [
  `service ${service.typeName}${options(service)}`,
  ...service.methods.map((method) =>
    `method ${service.typeName}.${method.name} ${method.methodKind}: ${method.input.typeName} -> ` +
    `${method.output.typeName}${options(method)}`
  )
]

const typeOf = (field: DescField | DescExtension): string => {
  switch (field.fieldKind) {
    case "list":
      return `repeated ${elementOf(field)}`
    case "map":
      return `map<${ScalarType[field.mapKey]}, ${elementOf(field)}>`
    default:
      return elementOf(field)
  }
}

const elementOf = (field: DescField | DescExtension): string =>
  field.message?.typeName ?? field.enum?.typeName ?? `${field.scalar === undefined ? "" : ScalarType[field.scalar]}`
