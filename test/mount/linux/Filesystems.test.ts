import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"
import { overdue, type Reaction, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

/** A device and a mounter whose programs all answer like this; None installed without. */
const answering = Effect.fnUntraced(function*(reaction?: Reaction) {
  const { addDevice, mounter } = yield* hostFixture()
  const device = yield* addDevice("nvme0n1", 1, 1024 * 1024)
  const { layer, runs } = yield* scriptedCommands(() => reaction)
  const run = <A, E>(use: (mounter: Mounter["Service"]) => Effect.Effect<A, E>) =>
    Effect.provide(Mounter.use(use), mounter(layer))
  return { device, run, lines: Effect.map(runs, (all) => all.map(({ program, args }) => [program, ...args].join(" "))) }
})

describe("Filesystems", () => {
  it.layer(NodeServices.layer)((it) => {
    it.effect("nothing is forced or discarded when formatting", () =>
      Effect.gen(function*() {
        const { device, lines, run } = yield* answering({})
        const [first, second, third] = yield* Effect.forEach(
          ["ext4", "ext3", "xfs"] as const,
          (fsType) => run((mounter) => mounter.format(device, fsType))
        )
        assert.deepStrictEqual(yield* lines, [
          `mkfs.ext4 -q -m 0 -E nodiscard,lazy_itable_init=1,lazy_journal_init=0 -U ${first} -- ${device.path}`,
          `mkfs.ext3 -q -m 0 -E nodiscard -U ${second} -- ${device.path}`,
          `mkfs.xfs -q -K -m uuid=${third} -- ${device.path}`
        ])
      }))

    const refusals: Record<string, Reaction | undefined> = {
      "mkfs.ext4 cannot be run": undefined,
      "did not end": overdue("mkfs.ext4"),
      "apparently in use": { code: 1, stdout: "mke2fs 1.47\n", stderr: "x is apparently in use\n" },
      "exit code 1": { code: 1 }
    }
    for (const [message, reaction] of Object.entries(refusals)) {
      it.effect(`formatting fails with the program's own words: ${message}`, () =>
        Effect.gen(function*() {
          const { device, run } = yield* answering(reaction)
          const error = yield* Effect.flip(run((mounter) => mounter.format(device, "ext4")))
          assert.strictEqual(error._tag, "MountFailed")
          assert.include(error.message, message)
        }))
    }

    it.effect("trap: the check blocks a healthy XFS. There is none, since mounting replays the log", () =>
      Effect.gen(function*() {
        const { device, lines, run } = yield* answering({ code: 1 })
        yield* run((mounter) => mounter.check(device, "xfs"))
        assert.deepStrictEqual(yield* lines, [])
      }))

    const checks: ReadonlyArray<readonly [string, Reaction, string]> = [
      ["0, clean", {}, "well"],
      ["1, repaired", { code: 1 }, "well"],
      ["2, repaired, reboot a system that runs from it", { code: 2 }, "well"],
      ["3, both", { code: 3 }, "well"],
      ["4, not repaired", { code: 4, stdout: "x: Root inode is not a directory.  \n" }, "FilesystemDamaged"],
      ["5, some repaired", { code: 5 }, "FilesystemDamaged"],
      ["12, not repaired and not able to go on", { code: 12 }, "FilesystemDamaged"],
      ["8, unreadable", { code: 8, stderr: "e2fsck: Input/output error while trying to open x\n" }, "DeviceUnreadable"],
      [
        "8, superblock",
        { code: 8, stderr: "e2fsck: Superblock checksum does not match superblock while trying to open x\n" },
        "FilesystemDamaged"
      ],
      [
        "8, in use",
        { code: 8, stdout: "x is in use.\n", stderr: "e2fsck: Cannot continue, aborting.\n" },
        "MountFailed"
      ],
      ["16, usage", { code: 16 }, "MountFailed"],
      ["32, cancelled", { code: 32 }, "MountFailed"],
      ["128, library", { code: 128 }, "MountFailed"],
      ["a limit", overdue("e2fsck"), "MountFailed"]
    ]
    for (const [name, reaction, expected] of checks) {
      it.effect(`e2fsck's exit code is read exactly: ${name}`, () =>
        Effect.gen(function*() {
          const { device, lines, run } = yield* answering(reaction)
          const outcome = yield* run((mounter) => mounter.check(device, "ext3")).pipe(
            Effect.match({ onSuccess: () => "well", onFailure: ({ _tag }) => _tag })
          )
          assert.strictEqual(outcome, expected)
          assert.deepStrictEqual(yield* lines, [`e2fsck -p -- ${device.path}`])
        }))
    }

    it.effect("grows ext by the device and XFS by the mount, and nothing else", () =>
      Effect.gen(function*() {
        const { device, lines, run } = yield* answering({})
        const grow = (fsType: string) => run((mounter) => mounter.grow({ device, path: "/staging", fsType }))
        yield* Effect.forEach(["ext4", "ext3", "xfs"], grow)
        const resize = `resize2fs -- ${device.path}`
        assert.deepStrictEqual(yield* lines, [resize, resize, "xfs_growfs -d /staging"])
        assert.include((yield* Effect.flip(grow("btrfs"))).message, "btrfs")
      }))

    it.effect("gives space in bytes, exact beyond 2^53", () =>
      Effect.gen(function*() {
        const { run } = yield* answering({ stdout: "4096 4398046511105 4398046511104 4398046510000 100 60\n" })
        assert.deepStrictEqual(yield* run((mounter) => mounter.stats("/target")), {
          totalBytes: 18014398509486080n,
          usedBytes: 4096n,
          availableBytes: 18014398504960000n,
          totalInodes: 100n,
          usedInodes: 40n,
          availableInodes: 60n
        })
      }))

    const statless: Record<string, Reaction> = {
      "did not end": overdue("stat"),
      "Input/output error": {
        code: 1,
        stderr: "stat: cannot read file system information for '/x': Input/output error\n"
      },
      "not understood": { stdout: "4096 1 ? 1 1 1\n" }
    }
    for (const [message, reaction] of Object.entries(statless)) {
      it.effect(`trap: stats of a dead mount block the process. A program with a limit asks: ${message}`, () =>
        Effect.gen(function*() {
          const { run } = yield* answering(reaction)
          const error = yield* Effect.flip(run((mounter) => mounter.stats("/x")))
          assert.strictEqual(error._tag, "MountFailed")
          assert.include(error.message, message)
        }))
    }
  })
})
