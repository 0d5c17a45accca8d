import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { Controller, file_csi } from "../../src/csi/gen/csi_pb.ts"
import { methodDefinition } from "../../src/csi/GrpcService.ts"
import { fingerprint } from "../support/ProtoFingerprint.ts"

/** What the driver leaves out on purpose: two services, and the types that nothing else uses. */
const leftOut = [
  "GroupController",
  "GroupControllerGetCapabilities(Request|Response)",
  "GroupControllerServiceCapability",
  "(Create|Delete|Get)VolumeGroupSnapshot(Request|Response)",
  "VolumeGroupSnapshot",
  "SnapshotMetadata",
  "GetMetadata(Allocated|Delta)(Request|Response)",
  "BlockMetadata",
  "BlockMetadataType"
]
const isLeftOut = (fact: string) =>
  new RegExp(`^(message|field|enum|value|service|method) csi\\.v1\\.(${leftOut.join("|")})([. ]|$)`).test(fact)

const official = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(`${import.meta.dirname}/official-csi-v1.12.0.txt`)
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
}).pipe(Effect.provide(NodeFileSystem.layer))

describe("proto/csi.proto", () => {
  it.effect("agrees with CSI 1.12 on every name, number, type, label, option and stream", () =>
    Effect.gen(function*() {
      const facts = yield* official
      assert.isAbove(facts.length, 300)
      assert.deepStrictEqual(fingerprint(file_csi), facts.filter((fact) => !isLeftOut(fact)))
    }))

  it("has paths as the orchestrator calls them", () => {
    assert.strictEqual(methodDefinition(Controller.method.createVolume).path, "/csi.v1.Controller/CreateVolume")
  })
})
