import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  setExtension,
  toBinary
} from "@bufbuild/protobuf"
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema
} from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import {
  Controller,
  CreateVolumeRequestSchema,
  csi_secret,
  file_csi,
  ListVolumesResponseSchema,
  Node,
  VolumeUsageSchema
} from "../../src/csi/gen/csi_pb.ts"
import { rpcs } from "../../src/csi/GrpcService.ts"
import { redact } from "../../src/csi/Redaction.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { randomMessage, secretText } from "../support/RandomMessage.ts"

/**
 * A message type that hides things wherever protobuf allows: beside and inside lists, maps, oneofs, bytes and itself.
 *
 *     message Deep {
 *       string token = 1 [secret]; Deep inner = 2; repeated Deep list = 3; repeated string words = 4 [secret];
 *       bytes blob = 5 [secret]; oneof pick { string chosen = 6 [secret]; string open = 7; } Deep hidden = 8 [secret];
 *     }
 */
const deep = (): DescMessage => {
  const { STRING, BYTES, MESSAGE } = FieldDescriptorProto_Type
  const secret = create(FieldOptionsSchema)
  setExtension(secret, csi_secret, true)
  const field = (number: number, name: string, more: MessageInitShape<typeof FieldDescriptorProtoSchema>) => ({
    number,
    name,
    label: FieldDescriptorProto_Label.OPTIONAL,
    ...(more.type === MESSAGE ? { typeName: ".test.Deep" } : {}),
    ...more
  })
  const file = create(FileDescriptorProtoSchema, {
    name: "deep.proto",
    package: "test",
    syntax: "proto3",
    messageType: [{
      name: "Deep",
      oneofDecl: [{ name: "pick" }],
      field: [
        field(1, "token", { type: STRING, options: secret }),
        field(2, "inner", { type: MESSAGE }),
        field(3, "list", { type: MESSAGE, label: FieldDescriptorProto_Label.REPEATED }),
        field(4, "words", { type: STRING, label: FieldDescriptorProto_Label.REPEATED, options: secret }),
        field(5, "blob", { type: BYTES, options: secret }),
        field(6, "chosen", { type: STRING, oneofIndex: 0, options: secret }),
        field(7, "open", { type: STRING, oneofIndex: 0 }),
        field(8, "hidden", { type: MESSAGE, options: secret })
      ]
    }]
  })
  const message = createFileRegistry(file, () => undefined).getMessage("test.Deep")
  if (message === undefined) throw new Error("test.Deep is missing")
  return message
}

const messages = [deep(), ...file_csi.messages]
const entropy = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))), {
  minLength: 1,
  maxLength: 200
})
const index = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))

describe("redact", () => {
  it("shows what is set, by its protobuf name, and strips secrets as a whole", () => {
    const request = create(CreateVolumeRequestSchema, {
      name: "pvc-1",
      capacityRange: { requiredBytes: 1n << 60n },
      volumeCapabilities: [{ accessMode: { mode: 1 }, accessType: { case: "mount", value: { fsType: "xfs" } } }],
      parameters: { volumePath: "/pool" },
      secrets: { user: "root", password: "hunter2" }
    })
    assert.deepStrictEqual(redact(CreateVolumeRequestSchema, request), {
      name: "pvc-1",
      capacity_range: { required_bytes: "1152921504606846976" },
      volume_capabilities: [{ access_mode: { mode: "SINGLE_NODE_WRITER" }, mount: { fs_type: "xfs" } }],
      parameters: { volumePath: "/pool" },
      secrets: "***stripped***"
    })
  })

  it("an enum value from the future shows as its number", () => {
    assert.deepStrictEqual(redact(VolumeUsageSchema, fromBinary(VolumeUsageSchema, Uint8Array.of(0x20, 77))), {
      unit: 77
    })
  })

  it("long lists are cut", () => {
    const entries = Array.from({ length: 1000 }, (_, i) => ({ volume: { volumeId: `pvc-${i}` } }))
    const line = JSON.stringify(redact(ListVolumesResponseSchema, create(ListVolumesResponseSchema, { entries })))
    assert.include(line, "pvc-31")
    assert.notInclude(line, "pvc-32")
    assert.include(line, "968 more")
  })

  it.prop("never shows a secret, of any message type, however deep", { index, entropy }, ({ entropy, index }) => {
    const desc = messages[index % 3 === 0 ? 0 : index % messages.length] ?? deep()
    assert.notInclude(JSON.stringify(redact(desc, randomMessage(desc, entropy))), secretText)
  }, { arbitrary: { runs: 500 } })
})

const calls = [...Controller.methods, ...Node.methods]
const served = [
  ...rpcs(Controller, { createVolume: ({ name }) => Effect.succeed({ volume: { volumeId: name } }) }),
  ...rpcs(Node, { nodeStageVolume: () => Effect.die("defect") })
]

describe("the log of a call", () => {
  it.effect.prop("never holds a secret of its request, whatever the call and its end", { index, entropy }, ({
    entropy,
    index
  }) =>
    Effect.gen(function*() {
      const at = index % calls.length
      const method = calls[at]
      if (method === undefined) return
      const bytes = Buffer.from(toBinary(method.input, randomMessage(method.input, entropy)))
      const logs = capturedLogs("Debug")
      yield* Effect.asVoid(
        served[at]?.answer(bytes, { deadline: Infinity, cancelled: () => false }) ?? Effect.void
      ).pipe(logs.run)
      assert.strictEqual(logs.lines.length, 1)
      assert.notInclude(JSON.stringify(logs.lines), secretText)
    }), { arbitrary: { runs: 200 } })
})
