import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  type AccessMode,
  type AccessType,
  checkCombination,
  decodeAccessMode,
  isReadOnly,
  isSingleNode,
  mountAccess
} from "../../src/volume/AccessMode.ts"

const mount = { fsType: "", mountFlags: ["noatime"], volumeMountGroup: "" }
const ext4: AccessType = { _tag: "Mount", fsType: "ext4", mountFlags: [] }

const messageOf = <A, E extends Error>(result: Result.Result<A, E>) =>
  Result.isFailure(result) ? result.failure.message : "accepted"

describe("access modes", () => {
  it.each([
    ["SINGLE_NODE_WRITER", true, false],
    ["SINGLE_NODE_READER_ONLY", true, true],
    ["SINGLE_NODE_SINGLE_WRITER", true, false],
    ["SINGLE_NODE_MULTI_WRITER", true, false],
    ["MULTI_NODE_MULTI_WRITER", false, false]
  ])("%s is served", (name, singleNode, readOnly) => {
    const mode = Result.getOrThrow(decodeAccessMode(name))
    assert.deepStrictEqual([isSingleNode(mode), isReadOnly(mode)], [singleNode, readOnly])
  })

  it.each(["MULTI_NODE_READER_ONLY", "MULTI_NODE_SINGLE_WRITER", "UNKNOWN", "99", "single_node_writer"])(
    "%s is refused, with what is allowed",
    (name) => {
      assert.match(messageOf(decodeAccessMode(name)), new RegExp(`access_mode is ${name}.*SINGLE_NODE_MULTI_WRITER`))
    }
  )
})

describe("mountAccess", () => {
  it("takes an empty file system type as ext4 and keeps the mount flags", () => {
    assert.deepStrictEqual(
      mountAccess(mount),
      Result.succeed({ _tag: "Mount", fsType: "ext4", mountFlags: ["noatime"] })
    )
  })

  it.each(["ext4", "ext3", "xfs"])("serves %s", (fsType) => {
    assert.isTrue(Result.isSuccess(mountAccess({ ...mount, fsType })))
  })

  it.each(["btrfs", "EXT4", "ext4;x"])("refuses the file system %s, with what is allowed", (fsType) => {
    assert.include(messageOf(mountAccess({ ...mount, fsType })), `fs_type is "${fsType}": use one of ext4, ext3, xfs`)
  })

  it("refuses a volume mount group, which the driver does not announce", () => {
    assert.include(messageOf(mountAccess({ ...mount, volumeMountGroup: "1000" })), "volume_mount_group")
  })

  it.each([["an empty flag", [""]], ["a blank", ["secret x"]], ["a line end", ["secret\n"]], ["5 KiB", [
    "secret".repeat(1000)
  ]]])(
    "refuses mount flags with %s without repeating them",
    (_, mountFlags) => {
      const message = messageOf(mountAccess({ ...mount, mountFlags }))
      assert.include(message, "mount_flags must")
      assert.notInclude(message, "secret")
    }
  )
})

describe("checkCombination", () => {
  it("refuses two writers to one file system, and says what to use instead", () => {
    const message = messageOf(checkCombination({ accessMode: "MULTI_NODE_MULTI_WRITER", accessType: ext4 }))
    assert.match(message, /MULTI_NODE_MULTI_WRITER with file system ext4.*volumeMode: Block.*ReadWriteOnce/)
  })

  it.each<[AccessMode, AccessType]>([
    ["MULTI_NODE_MULTI_WRITER", { _tag: "Block" }],
    ["SINGLE_NODE_WRITER", { _tag: "Block" }],
    ["SINGLE_NODE_WRITER", ext4],
    ["SINGLE_NODE_READER_ONLY", ext4],
    ["SINGLE_NODE_MULTI_WRITER", ext4]
  ])("accepts %s with %o", (accessMode, accessType) => {
    assert.deepStrictEqual(checkCombination({ accessMode, accessType }), Result.succeed({ accessMode, accessType }))
  })
})
