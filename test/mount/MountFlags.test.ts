import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { mountFlags } from "../../src/mount/MountFlags.ts"

const flagsOf = (fsType: "ext4" | "ext3" | "xfs", requested: ReadonlyArray<string>) =>
  Result.getOrThrow(mountFlags(fsType, requested))

describe("mountFlags", () => {
  it("volumes are mounted nosuid,nodev, and programs may run from them", () => {
    assert.deepStrictEqual(flagsOf("ext4", []), ["nosuid", "nodev"])
    assert.deepStrictEqual(flagsOf("ext4", ["nodev", "noexec"]), ["nosuid", "nodev", "noexec"])
  })

  it("XFS is mounted nouuid, since a restored volume has the UUID of its source; asking for it changes nothing", () => {
    assert.deepStrictEqual(flagsOf("xfs", []), ["nosuid", "nodev", "nouuid"])
    assert.deepStrictEqual(flagsOf("xfs", ["nouuid", "noatime"]), ["nosuid", "nodev", "nouuid", "noatime"])
  })

  it("takes what users need, in one entry or several", () => {
    assert.deepStrictEqual(flagsOf("ext4", ["noatime,discard", "data=ordered", "commit=30"]), [
      "nosuid",
      "nodev",
      "noatime",
      "discard",
      "data=ordered",
      "commit=30"
    ])
    assert.deepStrictEqual(flagsOf("xfs", ["logbsize=256k"]), ["nosuid", "nodev", "nouuid", "logbsize=256k"])
  })

  it("every option that the Go driver took and that made sense is still taken; fstab's own have no effect", () => {
    const go =
      "nosuid nodev noexec ro rw relatime noatime nodiratime defaults sync async auto noauto user nouser _netdev " +
      "strictatime lazytime nolazytime"
    assert.notIncludeMembers([...flagsOf("ext3", go.split(" "))], [
      "auto",
      "noauto",
      "user",
      "nouser",
      "_netdev",
      "defaults"
    ])
  })

  it("keeps SELinux labels with commas whole", () => {
    const label = "context=\"system_u:object_r:container_file_t:s0:c1,c2\""
    assert.deepStrictEqual(flagsOf("xfs", [label, "noatime"]), ["nosuid", "nodev", "nouuid", label, "noatime"])
  })

  it.each(
    [
      ["suid", "ext4"],
      ["dev", "ext4"],
      ["bind", "ext4"],
      ["remount", "xfs"],
      ["nobarrier", "ext4"],
      ["errors=panic", "ext4"],
      ["nouuid", "ext4"],
      ["data=ordered", "xfs"],
      ["commit=5,suid", "ext4"],
      ["commit=", "ext4"],
      ["commit=$(reboot)", "ext4"],
      ["", "ext4"],
      [",", "ext4"]
    ] as const
  )("refuses %j for %s with the list of what is allowed", (flag, fsType) => {
    const refused = mountFlags(fsType, [flag])
    assert.isTrue(Result.isFailure(refused))
    if (Result.isFailure(refused)) assert.include(refused.failure.message, "noatime")
  })

  it("does not repeat the value of a refused option, which may be a secret", () => {
    const refused = mountFlags("ext4", ["password=hunter2"])
    assert.isTrue(Result.isFailure(refused) && !refused.failure.message.includes("hunter2"))
  })

  it.prop(
    "whatever is asked for, nosuid and nodev hold and nothing unknown passes",
    [Schema.Array(Schema.String)],
    ([flags]) => {
      const result = mountFlags("ext4", flags)
      if (Result.isSuccess(result)) {
        assert.includeMembers([...result.success], ["nosuid", "nodev"])
        assert.isFalse(result.success.some((flag) => /[\s\u0000]/.test(flag)))
      }
    }
  )
})
