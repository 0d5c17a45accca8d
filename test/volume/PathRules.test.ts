import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import { posix } from "node:path"
import {
  imagePath,
  isUnder,
  mountPointOf,
  normalise,
  validateBase,
  validateUnder,
  VolumePath,
  withoutSlash
} from "../../src/volume/PathRules.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

const base = VolumePath.make("/storage-pool/metal-csi")

/** Paths made of what path checks stumble over, most of them near the base. */
const hostilePath = Arbitrary.array(
  Arbitrary.schema(Schema.Literals([
    "/storage-pool/metal-csi",
    "storage-pool",
    "metal-csi",
    "/",
    "//",
    "..",
    ".",
    "2",
    " ",
    "a",
    "\n",
    "\0",
    "é",
    "*",
    "$"
  ])),
  { maxLength: 8 }
).pipe(Arbitrary.map((parts) => parts.join("")))

describe("validateUnder", () => {
  it.each([base, `${base}/fast`, `${base}/a/b c`, `${base}/..a`, `${base}/v1.0_x`])("accepts %s", (path) => {
    assert.deepStrictEqual(validateUnder(base, path, "volumePath"), Result.succeed(VolumePath.make(path)))
  })

  it.each([
    "",
    "/",
    "storage-pool/metal-csi",
    "/storage-pool",
    "/storage-pool/metal-csi2",
    "/storage-pool/metal-csi-fast/x",
    "/Storage-Pool/metal-csi",
    `${base}/`,
    `${base}//a`,
    `${base}/./a`,
    `${base}/../other`,
    `${base}/a/..`,
    `${base}/a;b`,
    `${base}/a"b`,
    `${base}/a$b`,
    `${base}/a\\b`,
    `${base}/a[b]`,
    `${base}/a\tb`,
    `${base}/a\0`,
    `${base}/é`,
    `${base}/${"x".repeat(512)}`
  ])("refuses %j, naming field, value and what is allowed", (path) => {
    const result = validateUnder(base, path, "volumePath")
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.strictEqual(result.failure.field, "volumePath")
      assert.include(result.failure.message, `volumePath ${JSON.stringify(path)}`)
      assert.match(result.failure.message, /must/)
    }
  })

  it.prop("accepts nothing outside the base, and only what is clean already", [hostilePath], ([path]) => {
    for (const accepted of Result.isSuccess(validateUnder(base, path, "volumePath")) ? [path] : []) {
      assert.strictEqual(posix.resolve("/elsewhere", accepted), accepted)
      const relative = posix.relative(base, accepted)
      assert.isFalse(relative.startsWith("../") || relative === ".." || posix.isAbsolute(relative), accepted)
    }
    assert.strictEqual(isUnder(base, path), Result.isSuccess(validateUnder(base, path, "volumePath")))
  }, { arbitrary: { runs: 1000 } })
})

describe("validateBase", () => {
  it("drops slashes at the end", () => {
    assert.deepStrictEqual(validateBase(`${base}//`), Result.succeed(base))
  })

  it.each(["", "/", "//", "pool", "/a//b", "/a/../b", "/a/'b'"])("refuses %j", (path) => {
    assert.isTrue(Result.isFailure(validateBase(path)))
  })
})

describe("isUnder", () => {
  it("orphan clean-up compared file paths with and without the leading slash: both sides are normalised first", () => {
    const listed = withoutSlash(`${base}/a.img`)
    assert.strictEqual(listed, "storage-pool/metal-csi/a.img")
    assert.isFalse(isUnder(base, listed))
    assert.isTrue(isUnder(base, normalise(listed)))
    assert.strictEqual(normalise(`${base}/a.img`), `${base}/a.img`)
  })
})

describe("imagePath and mountPointOf", () => {
  it("name the backing file after the volume, and the pool by the first component", () => {
    const id = VolumeId.fromName("pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f")
    assert.strictEqual(imagePath(base, id), `${base}/${id}.img`)
    assert.strictEqual(mountPointOf(imagePath(base, id)), "storage-pool")
    assert.strictEqual(mountPointOf("raid10"), "raid10")
  })

  it("works in the longest directory that is accepted", () => {
    const longest = Result.getOrThrow(validateBase(`/${"x".repeat(511)}`))
    assert.isTrue(isUnder(longest, imagePath(longest, VolumeId.fromName("a"))))
  })
})
