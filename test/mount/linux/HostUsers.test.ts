import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { getuid } from "node:process"
import { HostCommand } from "../../../src/linux/HostCommand.ts"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"

const root = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw"
const plain = "2 0 8:2 / / rw - overlay overlay rw"

/** A host with one volume that nobody uses, and this driver in a container. */
const host = Effect.gen(function*() {
  const fixture = yield* hostFixture()
  const device = yield* fixture.addDevice("nvme0n1", 3, 1024 * 1024)
  yield* fixture.write(`${fixture.roots.procRoot}/swaps`, "Filename\tType\tSize\tUsed\tPriority\n")
  yield* fixture.addProcess("self", { namespace: 2, mounts: [plain] })
  yield* fixture.addProcess(1, { name: "systemd", namespace: 1, mounts: [root] })
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(`${fixture.roots.procRoot}/1/root`)
  const node = `${fixture.directory}/any name`
  const users = Mounter.use((mounter) => mounter.holders(device)).pipe(
    Effect.provide(fixture.mounter(HostCommand.layer))
  )
  const force = (path: string) =>
    Mounter.use((mounter) => mounter.forceUnmount(path)).pipe(Effect.provide(fixture.mounter(HostCommand.layer)))
  return { ...fixture, device, node, users, force, sysfs: `${fixture.roots.sysRoot}/dev/block/259:3` }
})

/** A block special file of the volume, by mknod(1), which takes root. */
const mknod = (path: string) =>
  HostCommand.use((command) => command.run("mknod", [path, "b", "259", "3"], { limit: "10 seconds" })).pipe(
    Effect.provide(HostCommand.layer)
  )

describe("users of a device on the host", () => {
  it.layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("nobody, when processes have other things open, or have ended", () =>
      Effect.gen(function*() {
        const { addProcess, directory, roots, users, write } = yield* host
        const open = {
          0: { path: "/dev/null", mount: 1 },
          1: { path: "socket:[1]", mount: 1 },
          2: { path: directory, mount: 1 }
        }
        yield* addProcess(10, { namespace: 1, mounts: [root], open })
        yield* write(`${roots.procRoot}/11/comm`, "ended\n")
        assert.deepStrictEqual(yield* users, [])
      }))

    describe.skipIf(getuid?.() !== 0)("block special files (skipped without root)", () => {
      it.effect("trap: the in-use check is blind to other namespaces. Whoever has the device open counts, under any name", () =>
        Effect.gen(function*() {
          const { addProcess, node, users } = yield* host
          yield* mknod(node)
          const open = { 7: { path: node, mount: 9 } }
          yield* addProcess(10, { name: "qemu-system-x86", namespace: 3, mounts: [plain], open })
          assert.deepStrictEqual(yield* users, ["process 10 (qemu-system-x86) has it open"])
        }))

      it.effect("files on network file systems are not asked for, since that may hang", () =>
        Effect.gen(function*() {
          const { addProcess, node, users } = yield* host
          yield* mknod(node)
          const mounts = [plain, "5 2 0:50 / /nfs rw - nfs4 server:/ rw"]
          yield* addProcess(10, {
            namespace: 3,
            mounts,
            open: { 3: { path: node, mount: 5 } }
          })
          assert.deepStrictEqual(yield* users, [])
        }))

      it.effect("loop devices on the device, and swap space", () =>
        Effect.gen(function*() {
          const { roots, users, write } = yield* host
          yield* mknod(`${roots.procRoot}/1/root/node`)
          yield* write(`${roots.sysRoot}/block/loop3/loop/backing_file`, "/node\n")
          yield* write(`${roots.procRoot}/swaps`, "Filename\tType\n/other file 8 0 -2\n/node partition 8 0 -3\n")
          assert.deepStrictEqual(yield* users, ["loop device loop3 (/node)", "swap space"])
        }))
    })

    it.effect("a loop device whose file cannot be found counts when it is as large as the device", () =>
      Effect.gen(function*() {
        const { roots, users, write } = yield* host
        for (const [name, size] of [["loop0", 2048], ["loop1", 4096]] as const) {
          yield* write(`${roots.sysRoot}/block/${name}/loop/backing_file`, "/gone (deleted)\n")
          yield* write(`${roots.sysRoot}/block/${name}/loop/offset`, "0\n")
          yield* write(`${roots.sysRoot}/block/${name}/size`, `${size}\n`)
        }
        assert.deepStrictEqual(yield* users, ["loop device loop0 (/gone (deleted))"])
      }))

    it.effect("device-mapper on the device and on its partitions, and mounts of those", () =>
      Effect.gen(function*() {
        const { roots, setMounts, sysfs, users, write } = yield* host
        yield* write(`${sysfs}/holders/dm-0`, "")
        yield* write(`${sysfs}/nvme0n1p1/partition`, "1\n")
        yield* write(`${sysfs}/nvme0n1p1/dev`, "259:4\n")
        yield* write(`${sysfs}/nvme0n1p1/uevent`, "DEVNAME=nvme0n1p1\n")
        yield* write(`${sysfs}/nvme0n1p1/holders/md0`, "")
        yield* setMounts([plain], [root, "20 1 259:4 / /mnt rw - ext4 /dev/nvme0n1p1 rw"])
        yield* write(`${roots.sysRoot}/fs/ext4/nvme0n1p1/state`, "")
        assert.deepStrictEqual(yield* users, ["a partition of it is mounted at /mnt", "dm-0", "md0"])
      }))

    it.effect("a mount that only another namespace has, but not a copy that goes away with the host's", () =>
      Effect.gen(function*() {
        const { addProcess, setMounts, users } = yield* host
        const staging = "20 1 259:3 / /kubelet/staging rw shared:9 - ext4 /dev/nvme0n1 rw"
        yield* setMounts([plain], [root, staging])
        const follows = "30 0 8:1 / /host rw master:1 - ext4 /dev/sda1 rw"
        const copy = "31 30 259:3 / /host/kubelet/staging rw master:9 - ext4 /dev/nvme0n1 rw"
        yield* addProcess(10, { name: "exporter", namespace: 3, mounts: [follows, copy] })
        assert.deepStrictEqual(yield* users, [])
        const kept = "30 0 8:1 / /host rw - ext4 /dev/sda1 rw"
        yield* addProcess(11, { name: "old pod", namespace: 4, mounts: [kept, copy] })
        yield* addProcess(12, { name: "its child", namespace: 4, mounts: [kept, copy] })
        assert.deepStrictEqual(yield* users, ["process 11 (old pod) has it mounted at /host/kubelet/staging"])
      }))

    it.effect("a file system that is unmounted and still active, as while it is written back", () =>
      Effect.gen(function*() {
        const { roots, setMounts, users, write } = yield* host
        yield* write(`${roots.sysRoot}/fs/xfs/nvme0n1/stats/stats`, "")
        assert.deepStrictEqual(yield* users, ["its file system is unmounted, but still being written back or in use"])
        yield* setMounts([plain], [root, "20 1 259:3 / /staging rw - xfs /dev/nvme0n1 rw"])
        assert.deepStrictEqual(yield* users, [])
      }))

    it.effect("a device that is gone may still be open, so processes are looked at", () =>
      Effect.gen(function*() {
        const { sysfs, users } = yield* host
        const fs = yield* FileSystem.FileSystem
        yield* fs.remove(sysfs, { recursive: true })
        assert.deepStrictEqual(yield* users, [])
      }))

    it.effect("trap: errors of the in-use check count as free. What cannot be read is an error", () =>
      Effect.gen(function*() {
        const { addProcess, roots, users } = yield* host
        const fs = yield* FileSystem.FileSystem
        yield* addProcess(10, { namespace: 3, mounts: ["20 1 259:3 / /cut off"] })
        assert.include((yield* Effect.flip(users)).message, "the mounts of process 10")
        yield* fs.remove(`${roots.procRoot}/10/mountinfo`)
        yield* fs.makeDirectory(`${roots.procRoot}/10/mountinfo`)
        assert.include((yield* Effect.flip(users)).message, "EISDIR")
      }))

    it.effect("a file that cannot be looked at is an error, unless its mount has no devices, as a volume's own has not", () =>
      Effect.gen(function*() {
        const { addProcess, directory, users } = yield* host
        const fs = yield* FileSystem.FileSystem
        const broken = `${directory}/loop`
        yield* fs.symlink(broken, broken)
        const mounts = [plain, "5 2 259:9 / /data rw,nosuid,nodev - xfs /dev/nvme9n1 rw"]
        yield* addProcess(10, { namespace: 3, mounts, open: { 3: { path: broken, mount: 5 } } })
        assert.deepStrictEqual(yield* users, [])
        yield* addProcess(11, { namespace: 3, mounts, open: { 3: { path: broken, mount: 2 } } })
        assert.include((yield* Effect.flip(users)).message, "Too many levels of symbolic links")
      }))

    it.effect("a directory that somebody works in and that cannot be looked at keeps a mount from being forced", () =>
      Effect.gen(function*() {
        const { addProcess, directory, force, roots, setMounts } = yield* host
        const fs = yield* FileSystem.FileSystem
        yield* setMounts([root, "20 1 259:3 / /staging rw shared:9 - ext4 /dev/nvme0n1 rw"])
        yield* addProcess(10, { namespace: 1, mounts: [root] })
        const broken = `${directory}/loop`
        yield* fs.symlink(broken, broken)
        yield* fs.symlink(broken, `${roots.procRoot}/10/cwd`)
        const { message } = yield* Effect.flip(force("/staging"))
        assert.include(message, "/10/cwd: Too many levels of symbolic links")
      }))

    it.effect("trap: an in-use check in a container sees nothing. Without the host's process ids it is an error", () =>
      Effect.gen(function*() {
        const { roots, users } = yield* host
        const fs = yield* FileSystem.FileSystem
        yield* fs.remove(`${roots.procRoot}/1/ns/mnt`)
        yield* fs.symlink("mnt:[2]", `${roots.procRoot}/1/ns/mnt`)
        assert.include((yield* Effect.flip(users)).message, "hostPID")
      }))

    it.effect("a mount is not forced while a process has a file open on it, or works in it, or it is mounted elsewhere", () =>
      Effect.gen(function*() {
        const { addProcess, force, roots, setMounts } = yield* host
        const fs = yield* FileSystem.FileSystem
        const mounts = [root, "20 1 259:3 / /staging rw shared:9 - ext4 /dev/nvme0n1 rw"]
        yield* setMounts(mounts)
        yield* addProcess(10, { name: "db", namespace: 1, mounts, open: { 3: { path: "/staging/file", mount: 20 } } })
        assert.include((yield* Effect.flip(force("/staging"))).message, "process 10 (db) has a file open on it")
        yield* fs.remove(`${roots.procRoot}/10/fd/3`)
        yield* fs.writeFileString(`${roots.procRoot}/10/maps`, "7f00-7f01 r-xp 0000 103:03 12 /staging/lib.so\n")
        assert.include((yield* Effect.flip(force("/staging"))).message, "process 10 (db) works in it")
        yield* fs.remove(`${roots.procRoot}/10/maps`)
        yield* setMounts([...mounts, "21 1 259:3 / /target rw shared:9 - ext4 /dev/nvme0n1 rw"])
        const error = yield* Effect.flip(force("/staging"))
        assert.strictEqual(error._tag, "VolumeInUse")
        assert.include(error.message, "mounted at /target")
      }))
  })
})
