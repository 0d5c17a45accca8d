import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { volumeId } from "./samples.ts"

const owner = {
  clusterId: OwnershipTag.ClusterId.schema.make("prod-east.1"),
  volumeId: VolumeId.fromName("pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f")
}
const tag = "rds-csi cluster=prod-east.1 volume=pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f"

describe("OwnershipTag", () => {
  it("is readable on the appliance", () => {
    assert.strictEqual(OwnershipTag.encode(owner), tag)
  })

  it.each([tag, ` ${tag} `, `${tag} please keep, Anna`, `${tag}\nsecond line`])("reads back %j", (comment) => {
    assert.deepStrictEqual(OwnershipTag.parse(comment), Option.some(owner))
  })

  it.each([
    "",
    "scratch disk",
    tag.slice(0, -1),
    `${tag},x`,
    `not ${tag}`,
    tag.replace("volume", "disk"),
    tag.replace("prod", "-prod")
  ])(
    "%j proves no owner",
    (comment) => {
      assert.isTrue(Option.isNone(OwnershipTag.parse(comment)))
    }
  )

  it.prop(
    "round trips, in ASCII and within 200 characters",
    [OwnershipTag.ClusterId.schema, volumeId],
    ([clusterId, volumeId]) => {
      const comment = OwnershipTag.encode({ clusterId, volumeId })
      assert.match(comment, /^[\x20-\x7e]{1,200}$/)
      assert.deepStrictEqual(OwnershipTag.parse(comment), Option.some({ clusterId, volumeId }))
    }
  )

  it.prop(
    "stays within 200 characters for every new volume",
    [OwnershipTag.ClusterId.schema, Schema.String],
    ([clusterId, name]) => {
      assert.isAtMost(OwnershipTag.encode({ clusterId, volumeId: VolumeId.fromName(name) }).length, 200)
    }
  )

  it.each(["", "-a", "a b", "é", "a=b", "x".repeat(64)])("refuses the cluster id %j", (text) => {
    assert.isTrue(Option.isNone(OwnershipTag.ClusterId.parse(text)))
  })
})
