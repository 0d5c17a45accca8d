import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { DiskRows, FileRows } from "../../src/rds/Appliance.ts"

const disk = (row: unknown) => Schema.decodeUnknownResult(DiskRows)([row])
const sizeOf = (size: unknown) => Result.getOrThrow(disk({ size }))[0]?.size

describe("rows of the appliance", () => {
  it("sizes come as numbers, digits in groups, or with a binary unit (trap: digits in groups)", () => {
    assert.strictEqual(sizeOf(16003143565312), 16003143565312n)
    assert.strictEqual(sizeOf("16003143565312"), 16003143565312n)
    assert.strictEqual(sizeOf("16 003 143 565 312"), 16003143565312n)
    assert.strictEqual(sizeOf("1024.0MiB"), 1n << 30n)
    assert.strictEqual(sizeOf("1T"), 1n << 40n)
    assert.strictEqual(sizeOf("10.5GiB"), 21n << 29n)
    assert.strictEqual(sizeOf(0), 0n)
  })

  it("a size that is none is an error, not zero", () => {
    for (const size of ["", "auto", "-1", -0.5, 1.5, true, "12 MiBs", {}]) {
      assert.isTrue(Result.isFailure(disk({ size })), JSON.stringify(size))
    }
  })

  it("flags come as booleans or words", () => {
    for (
      const [given, expected] of [[true, true], ["yes", true], ["true", true], [false, false], ["no", false]] as const
    ) {
      assert.strictEqual(Result.getOrThrow(disk({ "nvme-tcp-export": given }))[0]?.["nvme-tcp-export"], expected)
    }
    assert.isTrue(Result.isFailure(disk({ "nvme-tcp-export": "maybe" })))
  })

  it("properties may be absent or null, and others are ignored", () => {
    assert.deepStrictEqual(Result.getOrThrow(disk({ ".id": "*1F", slot: "a", comment: null, "read-ops": 5 })), [
      { slot: "a", comment: null }
    ])
  })

  it("a slot or a comment of digits stays text", () => {
    assert.strictEqual(Result.getOrThrow(disk({ slot: 123 }))[0]?.slot, "123")
  })

  it("a file without a name is an error", () => {
    assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(FileRows)([{ size: 5 }])))
  })
})
