import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { Nqn } from "../../src/volume/Nqn.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { volumeId } from "./samples.ts"

const known = VolumeId.fromName("pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f")

describe("Nqn.ofVolume", () => {
  it("is the prefix and the lower-cased id", () => {
    assert.strictEqual(Nqn.ofVolume(known), `nqn.2000-02.com.mikrotik:${known}`)
    assert.strictEqual(Nqn.ofVolume(VolumeId.schema.make("Vol-A")), "nqn.2000-02.com.mikrotik:vol-a")
  })

  it.prop("is a valid NQN for every id", [volumeId], ([id]) => {
    assert.deepStrictEqual(Nqn.parse(Nqn.ofVolume(id)), Option.some(Nqn.ofVolume(id)))
  })

  it("fits the longest id into the 223 bytes of an NQN", () => {
    assert.lengthOf(Nqn.ofVolume(VolumeId.schema.make("x".repeat(198))), 223)
  })
})

describe("Nqn.isOurs", () => {
  it("knows the names of this driver's volumes", () => {
    assert.isTrue(Nqn.isOurs(Nqn.ofVolume(known)))
  })

  it.each([
    "nqn.2000-02.com.mikrotik:root-disk",
    "nqn.2000-02.com.mikrotik:pvc-root",
    `nqn.2000-02xcom.mikrotik:${known}`,
    `nqn.2014-08.com.example:${known}`,
    `${Nqn.ofVolume(known)}-copy`,
    `x${Nqn.ofVolume(known)}`,
    "nqn.2014-08.org.nvmexpress.discovery"
  ])("orphan clean-up without an NQN filter disconnects the node's own root disk: %s is not ours", (nqn) => {
    assert.isFalse(Nqn.isOurs(nqn))
  })
})

describe("Nqn.parse", () => {
  it.each([
    "nqn.2014-08.org.nvmexpress:uuid:0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f",
    "nqn.2000-02.com.mikrotik:file1"
  ])("accepts %s", (text) => {
    assert.isTrue(Option.isSome(Nqn.parse(text)))
  })

  it.each([
    "",
    "nqn.2000-02.com.mikrotik:",
    "nqn.2000-02.com.mikrotik:PVC-1",
    "nqn.2000.com.mikrotik:a",
    "nqn.2000-02.com.mikrotik:a b",
    "nqn.2000-02.com.mikrotik:a;reboot",
    "nqn.2000-02.com.mikrotik:a$(x)",
    "nqn.2000-02.com.mikrotik:a\n",
    `nqn.2000-02.com.mikrotik:${"a".repeat(199)}`
  ])("refuses %j", (text) => {
    assert.isTrue(Option.isNone(Nqn.parse(text)))
  })
})

describe("Nqn.host", () => {
  it("is the same on controller and node: the UUID form over uuid5 of the node id", () => {
    assert.strictEqual(Nqn.hostId("python.org"), "886313e1-3b8a-5372-9b90-0c9aee199e5d")
    assert.strictEqual(Nqn.host("python.org"), "nqn.2014-08.org.nvmexpress:uuid:886313e1-3b8a-5372-9b90-0c9aee199e5d")
  })

  it.prop("is a valid NQN for any node id and no volume of ours", [Schema.String], ([nodeId]) => {
    assert.isTrue(Option.isSome(Nqn.parse(Nqn.host(nodeId))))
    assert.isFalse(Nqn.isOurs(Nqn.host(nodeId)))
  })
})
