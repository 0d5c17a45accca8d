import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { HostCommand } from "../../../src/linux/HostCommand.ts"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"
import { areInstalled } from "../../support/linux/Programs.ts"
import { overdue, type Reaction, type Run, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

const mebibyte = 1024 * 1024

/** A primary partition of Linux of 1 MiB at 1 MiB. */
const entry = () => [0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]

/** Probes a device of 4 MiB with programs that answer like this. */
const probeWith = Effect.fnUntraced(function*(react: (run: Run) => Reaction | undefined) {
  const { addDevice, mounter } = yield* hostFixture()
  const device = yield* addDevice("nvme3n1", 7, 4 * mebibyte)
  const { layer, runs } = yield* scriptedCommands(react)
  const probe = Mounter.use((service) => service.probe(device)).pipe(Effect.provide(mounter(layer)))
  return { device, probe, runs }
})

const blkid = (reaction: Reaction, cmp?: Reaction) => probeWith(({ program }) => program === "blkid" ? reaction : cmp)

describe("BlockProbe", () => {
  it.layer(NodeServices.layer)((it) => {
    const filesystems = {
      "DEVNAME=/dev/x\nUUID=1234-ab\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n": ["ext4", "1234-ab"],
      "TYPE=xfs\nUSAGE=filesystem\nUUID=u\nLABEL=a\\ TYPE\\=b\nPTTYPE=gpt\n": ["xfs", "u"],
      "TYPE=squashfs\nUSAGE=filesystem\n": ["squashfs", ""]
    }
    for (const [stdout, [fsType, uuid]] of Object.entries(filesystems)) {
      it.effect(`a file system is one by its usage: ${fsType}`, () =>
        Effect.gen(function*() {
          const { probe } = yield* blkid({ stdout })
          assert.deepStrictEqual(yield* probe, { _tag: "Formatted", fsType: `${fsType}`, uuid: `${uuid}` })
        }))
    }

    const foreign = {
      "PTUUID=1\nPTTYPE=gpt\n": "a partition table (gpt)",
      "TYPE=LVM2_member\nUSAGE=raid\nUUID=x\n": "LVM2_member",
      "TYPE=crypto_LUKS\nUSAGE=crypto\n": "crypto_LUKS",
      "TYPE=linux_raid_member\nUSAGE=raid\n": "linux_raid_member",
      "TYPE=swap\nUSAGE=other\n": "swap",
      "LABEL=odd\n": "an unknown signature",
      "": "an unknown signature"
    }
    for (const [stdout, what] of Object.entries(foreign)) {
      it.effect(`trap: a partition table, LVM or LUKS without TYPE counts as empty. Foreign: ${what}`, () =>
        Effect.gen(function*() {
          const { probe } = yield* blkid({ stdout })
          assert.deepStrictEqual(yield* probe, { _tag: "Foreign", what })
        }))
    }

    it.effect("signatures that contradict each other (8) are foreign, never empty", () =>
      Effect.gen(function*() {
        const { probe } = yield* blkid({ code: 8 })
        assert.strictEqual((yield* probe)._tag, "Foreign")
      }))

    it.effect("empty is what has no signature and was read: the first and the last MiB, all zero", () =>
      Effect.gen(function*() {
        const { device, probe, runs } = yield* blkid({ code: 2 }, {})
        assert.deepStrictEqual(yield* probe, { _tag: "Empty" })
        assert.deepStrictEqual((yield* runs).map(({ program, args }) => [program, ...args]), [
          ["blkid", "-p", "-o", "export", "--", device.path],
          ["cmp", "--bytes=1048576", "--ignore-initial=0:0", "--", device.path, "/dev/zero"],
          ["cmp", "--bytes=1048576", "--ignore-initial=3145728:0", "--", device.path, "/dev/zero"]
        ])
      }))

    it.effect("data without a signature is foreign, at either end", () =>
      Effect.gen(function*() {
        for (const end of ["=0:0", "=3145728:0"]) {
          const { probe } = yield* probeWith(({ program, args }) => {
            if (program === "blkid") return { code: 2 }
            return args[1]?.endsWith(end) ? { code: 1, stdout: "x /dev/zero differ: byte 1, line 1\n" } : {}
          })
          assert.deepStrictEqual(yield* probe, { _tag: "Foreign", what: "data without a known signature" })
        }
      }))

    const unreadable: Record<string, readonly [Reaction, Reaction?]> = {
      "exit 2 and the device cannot be read": [{ code: 2 }, { code: 2, stderr: "cmp: x: Input/output error\n" }],
      "exit 2 and the device is shorter than it says": [{ code: 2 }, { code: 1, stderr: "cmp: EOF on x\n" }],
      "exit 2 and reading takes too long": [{ code: 2 }, overdue("cmp")],
      "exit 1": [{ code: 1, stderr: "blkid: error: x\n" }],
      "exit 4 (usage)": [{ code: 4, stderr: "blkid: x\n" }],
      "a limit that is reached": [overdue("blkid")]
    }
    for (const [name, [reaction, cmp]] of Object.entries(unreadable)) {
      it.effect(`trap: blkid's exit 2 also means "cannot read". Unreadable, not empty: ${name}`, () =>
        Effect.gen(function*() {
          const { device, probe } = yield* blkid(reaction, cmp)
          const error = yield* Effect.flip(probe)
          assert.strictEqual(error._tag, "DeviceUnreadable")
          assert.include(error.message, device.path)
        }))
    }

    it.effect("a name that is another device's now is not looked at", () =>
      Effect.gen(function*() {
        const { addDevice, mounter } = yield* hostFixture()
        const [first, second] = [yield* addDevice("nvme0n1", 1, mebibyte), yield* addDevice("nvme1n1", 2, mebibyte)]
        const { layer, runs } = yield* scriptedCommands(() => ({}))
        const swapped = { ...first, minor: second.minor }
        const calls = Effect.gen(function*() {
          const service = yield* Mounter
          const staging = { device: swapped, path: "/staging", fsType: "ext4" } as const
          return yield* Effect.all([
            Effect.flip(service.probe(swapped)),
            Effect.flip(service.format(swapped, "ext4")),
            Effect.flip(service.check(swapped, "ext4")),
            Effect.flip(service.mount({ ...staging, flags: [] })),
            Effect.flip(service.grow(staging)),
            Effect.flip(service.probe({ ...first, minor: 99 }))
          ])
        })
        for (const { message } of yield* Effect.provide(calls, mounter(layer))) {
          assert.match(message, /block device 259:2 is nvme1n1 now|no block device 259:99/)
        }
        assert.deepStrictEqual(yield* runs, [])
      }))
  })
})

const tools = ["blkid", "cmp", "mkfs.ext4", "mkfs.ext3", "e2fsck"]
const hasTools = areInstalled(tools)
const hasXfs = areInstalled(["mkfs.xfs"])

/** A sparse file as a device; mkfs.xfs makes nothing smaller than 300 MiB. */
const real = Effect.gen(function*() {
  const { addDevice, mounter } = yield* hostFixture()
  const device = yield* addDevice("volume", 1, 320 * mebibyte)
  const services = yield* Layer.build(mounter(HostCommand.layer))
  return { device, mounter: yield* Effect.provide(Mounter, services) }
})

const writeAt = Effect.fnUntraced(function*(path: string, offset: number, bytes: ReadonlyArray<number>) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "r+" })
  yield* file.seek(BigInt(offset), "start")
  yield* file.writeAll(new Uint8Array(bytes))
})

describe.skipIf(!hasTools)(`with real tools (skipped without ${tools.join(", ")})`, () => {
  it.layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    for (const fsType of ["ext4", "ext3", "xfs"] as const) {
      it.effect.skipIf(fsType === "xfs" && !hasXfs)(
        `a blank device is empty, and then ${fsType}, which is found well`,
        () =>
          Effect.gen(function*() {
            const { device, mounter } = yield* real
            assert.deepStrictEqual(yield* mounter.probe(device), { _tag: "Empty" })
            const uuid = yield* mounter.format(device, fsType)
            assert.deepStrictEqual(yield* mounter.probe(device), { _tag: "Formatted", fsType, uuid })
            yield* mounter.check(device, fsType)
          })
      )
    }

    it.effect("a damaged ext4 is not repaired without a person", () =>
      Effect.gen(function*() {
        const { device, mounter } = yield* real
        yield* mounter.format(device, "ext4")
        // The superblock says "with errors", and the root directory is gone.
        for (const request of ["set_super_value state 2", "clri <2>"]) {
          yield* HostCommand.use((command) =>
            command.run("debugfs", ["-w", "-R", request, device.path], { limit: "10 seconds" })
          ).pipe(Effect.provide(HostCommand.layer))
        }
        const error = yield* Effect.flip(mounter.check(device, "ext4"))
        assert.strictEqual(error._tag, "FilesystemDamaged")
        assert.match(error.message, /Root inode is not a directory.*repair it with e2fsck/)
      }))

    const contents = {
      "crypto_LUKS": [0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe, 0, 1]],
      "a partition table (dos)": [446, [...entry(), ...Array.from({ length: 48 }, () => 0), 0x55, 0xaa]],
      "data without a known signature": [320 * mebibyte - 1, [1]]
    } as const
    for (const [what, [offset, bytes]] of Object.entries(contents)) {
      it.effect(`foreign: ${what}`, () =>
        Effect.gen(function*() {
          const { device, mounter } = yield* real
          yield* writeAt(device.path, offset, bytes)
          assert.deepStrictEqual(yield* mounter.probe(device), { _tag: "Foreign", what })
        }))
    }

    it.effect("a device that cannot be read is unreadable", () =>
      Effect.gen(function*() {
        const { device, mounter } = yield* real
        const fs = yield* FileSystem.FileSystem
        yield* fs.truncate(device.path, 4096)
        assert.strictEqual((yield* Effect.flip(mounter.probe(device)))._tag, "DeviceUnreadable")
        yield* fs.remove(device.path)
        assert.strictEqual((yield* Effect.flip(mounter.probe(device)))._tag, "DeviceUnreadable")
      }))
  })
})
