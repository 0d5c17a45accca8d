import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  formatBytes,
  MAX_BYTES,
  MIN_BYTES,
  resolveCapacity,
  resolveExpand,
  satisfies
} from "../../src/volume/Capacity.ts"

const KiB = 1n << 10n
const MiB = 1n << 20n
const GiB = 1n << 30n
const TiB = 1n << 40n
const range = (requiredBytes: bigint, limitBytes = 0n) => ({ requiredBytes, limitBytes })

const tagOf = <A, E extends { readonly _tag: string }>(result: Result.Result<A, E>) =>
  Result.isFailure(result) ? result.failure._tag : "accepted"

/** Sizes at and around every bound, and anywhere in int64. */
const bytes = Schema.Union([
  Schema.Literals([
    0n,
    1n,
    MIN_BYTES - 1n,
    MIN_BYTES,
    MIN_BYTES + 1n,
    1500n * GiB,
    MAX_BYTES - 1n,
    MAX_BYTES,
    MAX_BYTES + 1n
  ]),
  Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 20n * TiB })),
  Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(1n << 63n), maximum: (1n << 63n) - 1n }))
])

describe("resolveCapacity", () => {
  it.each([
    ["no range", undefined, GiB],
    ["an empty range", range(0n), GiB],
    ["only a limit", range(0n, 5n * GiB), GiB],
    ["less than the minimum", range(1n), GiB],
    ["a whole number of GiB", range(10n * GiB), 10n * GiB],
    ["a whole number of MiB", range(1025n * MiB), 1025n * MiB],
    ["the maximum", range(MAX_BYTES), MAX_BYTES],
    ["odd bytes", range(GiB + 1n), GiB + MiB],
    ["odd bytes up to a limit that leaves room", range(GiB + 1n, GiB + MiB), GiB + MiB],
    ["odd bytes up to a limit that leaves none", range(GiB + 1n, GiB + 4096n), GiB + 1n]
  ])("%s", (_, given, expected) => {
    assert.deepStrictEqual(resolveCapacity(given), Result.succeed(expected))
  })

  it("sizes rounded down to whole G/T: 1500 GiB stays 1500 GiB", () => {
    assert.deepStrictEqual(resolveCapacity(range(1500n * GiB)), Result.succeed(1500n * GiB))
  })

  it.each([
    ["above the maximum", range(MAX_BYTES + 1n), "OutOfRange"],
    ["a limit below the minimum", range(0n, GiB - 1n), "OutOfRange"],
    ["a negative requirement", range(-1n), "InvalidArgument"],
    ["a negative limit", range(0n, -1n), "InvalidArgument"],
    ["a limit below the requirement", range(3n * GiB, 2n * GiB), "InvalidArgument"]
  ])("refuses %s", (_, given, tag) => {
    assert.strictEqual(tagOf(resolveCapacity(given)), tag)
  })

  it.prop(
    "never less than required, never above the limit, and a retry always finds it compatible",
    [bytes, bytes],
    ([required, limit]) => {
      const given = range(required, limit)
      const result = resolveCapacity(given)
      if (Result.isSuccess(result)) {
        assert.isTrue(result.success >= MIN_BYTES && result.success <= MAX_BYTES)
        assert.isTrue(result.success >= required && (limit === 0n || result.success <= limit))
        assert.isTrue(result.success - required < MiB || result.success === MIN_BYTES)
        assert.isTrue(satisfies(given, result.success))
      } else {
        assert.isTrue(
          required < 0n || limit < 0n || required > MAX_BYTES || (limit > 0n && (limit < required || limit < MIN_BYTES))
        )
      }
    },
    { arbitrary: { runs: 500 } }
  )
})

describe("resolveExpand", () => {
  it("answers csi-sanity's one GiB more exactly, and rounds odd bytes up", () => {
    assert.deepStrictEqual(resolveExpand(range(11n * GiB)), Result.succeed(11n * GiB))
    assert.deepStrictEqual(resolveExpand(range(11n * GiB + 5n)), Result.succeed(11n * GiB + MiB))
  })

  it("wants nothing when only a limit is given", () => {
    assert.deepStrictEqual(resolveExpand(range(0n, GiB)), Result.succeed(0n))
  })

  it.each([
    ["an empty range", range(0n), "InvalidArgument"],
    ["a negative requirement", range(-1n), "InvalidArgument"],
    ["a limit below the requirement", range(3n, 2n), "InvalidArgument"],
    ["above the maximum", range(MAX_BYTES + 1n), "OutOfRange"]
  ])("refuses %s", (_, given, tag) => {
    assert.strictEqual(tagOf(resolveExpand(given)), tag)
  })
})

describe("satisfies", () => {
  it("finds a twin of another exact size incompatible, as csi-sanity asks", () => {
    const size = 10n * GiB
    assert.isTrue(satisfies(range(size, size), size))
    assert.isFalse(satisfies(range(2n * size, 2n * size), size))
    assert.isFalse(satisfies(range(size, size), 2n * size))
  })

  it("finds a volume that has grown since compatible with the request that made it", () => {
    assert.isTrue(satisfies(range(GiB), 2n * GiB))
    assert.isTrue(satisfies(undefined, 2n * GiB))
  })

  it("finds a volume that was rounded down incompatible: the provisioner would delete it", () => {
    assert.isFalse(satisfies(range(1500n * GiB), TiB))
  })
})

describe("formatBytes", () => {
  it.each([
    [0n, "0 bytes"],
    [1023n, "1023 bytes"],
    [KiB, "1 KiB"],
    [GiB, "1 GiB"],
    [3n * GiB / 2n, "1.5 GiB"],
    [1500n * GiB, "1500 GiB"],
    [15_514_576_424n * KiB, "14.44 TiB (15886926258176 bytes)"],
    [16n * TiB, "16 TiB"],
    [GiB + 1n, "1 GiB (1073741825 bytes)"]
  ])("%s", (value, expected) => {
    assert.strictEqual(formatBytes(value), expected)
  })
})
