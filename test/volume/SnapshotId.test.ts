import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"

const uuid = "886313e1-3b8a-5372-9b90-0c9aee199e5d"

describe("SnapshotId", () => {
  it("derives the id that the Go driver derived", () => {
    assert.strictEqual(SnapshotId.fromName("python.org"), `snap-${uuid}-at-886313e13b`)
  })

  it.prop("gives a valid id for any name", [Schema.String], ([name]) => {
    assert.deepStrictEqual(SnapshotId.parse(SnapshotId.fromName(name)), Option.some(SnapshotId.fromName(name)))
  })

  it.each([
    `snap-${uuid}-at-886313e13b`,
    `snap-${uuid}-at-1739174400`,
    `snap-${uuid}-at-a`,
    `snap-${uuid}`,
    "sanity-1"
  ])(
    "accepts the older form %s",
    (id) => {
      assert.deepStrictEqual(SnapshotId.parse(id), Option.some(SnapshotId.schema.make(id)))
    }
  )

  it.each([
    "",
    uuid,
    "snap-",
    "SNAP-1",
    `snap-${uuid}-at-`,
    `snap-${uuid}-at-xyz`,
    `snap-${uuid}\n`,
    "a/b",
    "a b",
    "x".repeat(251)
  ])(
    "knows that no snapshot has the id %j",
    (id) => {
      assert.isTrue(Option.isNone(SnapshotId.parse(id)))
    }
  )
})
