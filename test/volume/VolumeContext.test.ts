import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import { Nqn } from "../../src/volume/Nqn.ts"
import { imagePath, VolumePath } from "../../src/volume/PathRules.ts"
import * as StorageClassParameters from "../../src/volume/StorageClassParameters.ts"
import * as VolumeContext from "../../src/volume/VolumeContext.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { volumeId } from "./samples.ts"

const id = VolumeId.fromName("pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f")
const base = VolumePath.make("/storage-pool/metal-csi")
const defaults = { base, nvmeAddress: "10.0.1.1", rdsAddress: "10.0.0.1" }
const defaultTuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }

const decoded = (context: Record<string, string>) => Result.getOrThrow(VolumeContext.decode(context, id))

const refused = (context: Record<string, string>) => {
  const result = VolumeContext.decode(context, id)
  return Result.isFailure(result) ? result.failure : assert.fail("accepted")
}

const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const classParameters = Arbitrary.schema(Schema.Struct({
  nvmeAddress: Schema.Literals(["10.0.1.1", "fd00::1"]),
  nvmePort: integer(1, 65535),
  ctrlLossTmo: integer(-1, 2 ** 31 - 1),
  reconnectDelay: integer(1, 2 ** 31 - 1),
  keepAliveTmo: integer(0, 2 ** 31 - 1),
  migrationTimeoutSeconds: integer(30, 3600)
}))

describe("VolumeContext.encode", () => {
  it("writes the keys that the Go driver wrote", () => {
    const { parameters } = Result.getOrThrow(StorageClassParameters.decode({}, defaults))
    const volume = { nqn: Nqn.ofVolume(id), imagePath: imagePath(base, id), port: 4421 }
    assert.deepStrictEqual(VolumeContext.encode(parameters, volume), {
      rdsAddress: "10.0.0.1",
      nvmeAddress: "10.0.1.1",
      nvmePort: "4421",
      nqn: `nqn.2000-02.com.mikrotik:${id}`,
      volumePath: `/storage-pool/metal-csi/${id}.img`,
      ctrlLossTmo: "-1",
      reconnectDelay: "5",
      keepAliveTmo: "0",
      migrationTimeoutSeconds: "300"
    })
  })

  it.prop("is read back on the node as the class meant it", [classParameters, volumeId], ([given, volume]) => {
    const { ctrlLossTmo, keepAliveTmo, migrationTimeoutSeconds, nvmeAddress, nvmePort, reconnectDelay } = given
    const parameters = { ...given, volumePath: base, rdsAddress: "10.0.0.1" }
    const nqn = Nqn.ofVolume(volume)
    const context = VolumeContext.encode(parameters, { nqn, imagePath: imagePath(base, volume), port: nvmePort })
    const expected = {
      nqn,
      address: nvmeAddress,
      port: nvmePort,
      tuning: { ctrlLossTmo, reconnectDelay, keepAliveTmo },
      migrationTimeoutSeconds
    }
    assert.deepStrictEqual(VolumeContext.decode(context, volume), Result.succeed(expected))
    assert.deepStrictEqual(
      VolumeContext.decode({
        ...context,
        "storage.kubernetes.io/csiProvisionerIdentity": "x",
        "csi.storage.k8s.io/pod.name": "p"
      }, volume),
      Result.succeed(expected)
    )
  })

  it("stays below the 4 KiB of a CSI map with the longest values", () => {
    const { parameters } = Result.getOrThrow(StorageClassParameters.decode({
      volumePath: `${base}/${"x".repeat(512 - base.length - 1)}`,
      rdsAddress: "x".repeat(253)
    }, defaults))
    const longest = VolumeId.schema.make("x".repeat(198))
    const context = VolumeContext.encode(parameters, {
      nqn: Nqn.ofVolume(longest),
      imagePath: imagePath(parameters.volumePath, longest),
      port: 65535
    })
    assert.isBelow(Object.entries(context).flat().join("").length, 4096)
  })
})

describe("VolumeContext.decode of old PersistentVolumes", () => {
  it("sends the data to rdsAddress and uses the defaults where there is nothing else", () => {
    const expected = {
      nqn: Nqn.ofVolume(id),
      address: "10.0.0.1",
      port: 4420,
      tuning: defaultTuning,
      migrationTimeoutSeconds: 300
    }
    assert.deepStrictEqual(decoded({ rdsAddress: "10.0.0.1" }), expected)
    assert.deepStrictEqual(decoded({ rdsAddress: "10.0.0.1", nvmeAddress: "", nvmePort: "", nqn: "" }), expected)
  })

  it("prefers nvmeAddress, and then does not look at rdsAddress", () => {
    assert.strictEqual(decoded({ rdsAddress: "rds.example", nvmeAddress: "10.0.1.1" }).address, "10.0.1.1")
  })

  it.each(["ten", "", "1e3", "-7", "99999999999"])("takes the default for the unreadable tuning %j", (text) => {
    const context = { nvmeAddress: "10.0.1.1", ctrlLossTmo: text, reconnectDelay: text, keepAliveTmo: text }
    assert.deepStrictEqual(decoded(context).tuning, defaultTuning)
  })

  it("clamps the migration timeout as the Go driver did", () => {
    const seconds = (text: string) =>
      decoded({ nvmeAddress: "10.0.1.1", migrationTimeoutSeconds: text }).migrationTimeoutSeconds
    assert.deepStrictEqual(["5", "99999", "-1", "soon"].map(seconds), [30, 3600, 300, 300])
  })
})

describe("VolumeContext.decode refuses what is there and wrong", () => {
  it.each([
    ["nvmeAddress", { nvmeAddress: "rds.example", rdsAddress: "10.0.0.1" }],
    ["rdsAddress", { rdsAddress: "rds.example" }],
    ["nvmeAddress", {}],
    ["nvmePort", { nvmeAddress: "10.0.1.1", nvmePort: "0" }],
    ["nvmePort", { nvmeAddress: "10.0.1.1", nvmePort: "65536" }],
    ["nvmePort", { nvmeAddress: "10.0.1.1", nvmePort: "4420x" }],
    ["nqn", { nvmeAddress: "10.0.1.1", nqn: "nqn.2000-02.com.mikrotik:a b" }],
    ["nqn", { nvmeAddress: "10.0.1.1", nqn: "nqn.2000-02.com.mikrotik:pvc-11111111-2c1d-4a0e-9f5b-1a2b3c4d5e6f" }]
  ])("%s in %o", (key, context: Record<string, string>) => {
    assert.include(refused(context).field, key)
    assert.include(refused(context).message, key)
    for (const value of key in context ? [context[key]] : []) {
      assert.include(refused(context).message, JSON.stringify(value))
    }
  })
})
