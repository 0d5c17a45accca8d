import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { HostCommand } from "../../../src/linux/HostCommand.ts"
import * as LinuxMounter from "../../../src/mount/linux/LinuxMounter.ts"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { areInstalled, mayMount } from "../../support/linux/Programs.ts"
import { until } from "../../support/Until.ts"

const installed = areInstalled(["mkfs.ext4", "e2fsck", "resize2fs", "blkid", "cmp", "losetup", "mount", "nsenter"])

/** Runs programs in another process's mount namespace. */
const inNamespaceOf = (pid: number) =>
  Layer.effect(
    HostCommand,
    Effect.map(HostCommand, ({ run }) => ({
      run: (program, args, options) =>
        program === process.execPath
          ? run(program, args, options)
          : run("nsenter", [`--mount=/proc/${pid}/ns/mnt`, "--", program, ...args], options)
    }))
  ).pipe(Layer.provide(HostCommand.layer))

const ok = Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>) {
  const { code, stdout, stderr } = yield* HostCommand.use((command) =>
    command.run(program, args, { limit: "10 seconds" })
  )
  assert.strictEqual(code, 0, stderr)
  return stdout.trim()
})

/** A process in a mount namespace of its own, where mounts of the test stay; it ends with the test. */
const privateNamespace = Effect.gen(function*() {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const child = yield* spawner.spawn(
    ChildProcess.make("unshare", ["--mount", "--propagation=private", "sleep", "100"], { extendEnv: true })
  )
  const fs = yield* FileSystem.FileSystem
  yield* until(Effect.map(
    fs.readFileString(`/proc/${child.pid}/comm`).pipe(Effect.orElseSucceed(() => "")),
    (name) => name === "sleep\n"
  ))
  return Number(child.pid)
})

/** A loop device of 64 MiB on a file, and a mounter in a namespace that stands for the host's. */
const host = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${directory}/image`, "")
  yield* fs.truncate(`${directory}/image`, 64 * 1024 * 1024)
  const path = yield* Effect.acquireRelease(
    ok("losetup", ["--find", "--show", `${directory}/image`]),
    (loop) => Effect.ignore(ok("losetup", ["--detach", loop]))
  )
  const device = { path, major: 7, minor: Number(path.replace(/\D/g, "")) }
  const pid = yield* privateNamespace
  yield* fs.makeDirectory(`${directory}/proc`)
  yield* fs.symlink(`/proc/${pid}`, `${directory}/proc/self`)
  yield* fs.symlink(`/proc/${pid}`, `${directory}/proc/1`)
  yield* fs.makeDirectory(`${directory}/staging`)
  const roots = { procRoot: `${directory}/proc`, sysRoot: "/sys", devRoot: "/dev" }
  const mounter = yield* Layer.build(LinuxMounter.layer(roots).pipe(Layer.provide(inNamespaceOf(pid))))
  return { directory, device, pid, mounter: yield* Effect.provide(Mounter, mounter) }
}).pipe(Effect.provide(HostCommand.layer))

const inHost = (program: string, args: ReadonlyArray<string>) => Effect.provide(ok(program, args), HostCommand.layer)

/** The same with an ext4 file system mounted at `staging`. */
const mounted = Effect.gen(function*() {
  const made = yield* host
  const { device, directory, mounter } = made
  yield* mounter.format(device, "ext4")
  yield* mounter.mount({ device, path: `${directory}/staging`, fsType: "ext4", flags: [] })
  return made
})

describe.skipIf(!installed || !mayMount())("LinuxMounter on a loop device (skipped without root or tools)", () => {
  it.live("a volume's life: blank, formatted, checked, mounted, bound read-only, measured, unmounted", () =>
    Effect.gen(function*() {
      const { device, directory, mounter } = yield* host
      const [staging, target] = [`${directory}/staging`, `${directory}/target`]
      assert.deepStrictEqual(yield* mounter.probe(device), { _tag: "Empty" })
      yield* mounter.format(device, "ext4")
      const content = yield* mounter.probe(device)
      assert.deepInclude(content, { _tag: "Formatted", fsType: "ext4" })
      yield* mounter.check(device, "ext4")
      yield* mounter.mount({ device, path: staging, fsType: "ext4", flags: ["nosuid", "nodev"] })
      const wanted = { path: staging, device: { major: 7, minor: device.minor }, fsType: "ext4", readOnly: false }
      assert.deepInclude((yield* mounter.mountsAt(staging))[0], wanted)
      yield* mounter.bind({ source: staging, target, readOnly: true })
      const [bound] = yield* mounter.mountsAt(target)
      assert.deepInclude(bound, { readOnly: true, filesystemReadOnly: false })
      assert.includeMembers((yield* mounter.mountsOf(device)).map(({ path }) => path), [staging, target])
      const stats = yield* mounter.stats(target)
      assert.isTrue(stats.totalBytes > 50_000_000n && stats.usedInodes === 11n && stats.availableBytes > 0n)
      assert.strictEqual(stats.totalInodes, stats.usedInodes + stats.availableInodes)
      yield* mounter.grow({ device, path: staging, fsType: "ext4" })
      assert.strictEqual((yield* Effect.flip(mounter.removeTarget(target)))._tag, "TargetOccupied")
      yield* mounter.unmount(target)
      yield* mounter.removeTarget(target)
      yield* mounter.unmount(staging)
      assert.deepStrictEqual(yield* mounter.mountsOf(device), [])
      assert.deepStrictEqual((yield* mounter.probe(device))._tag, "Formatted")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("trap: publish repeated stacks bind mounts. Unmounting takes all of them, and nothing is removed recursively", () =>
    Effect.gen(function*() {
      const { device, directory, mounter, pid } = yield* mounted
      const fs = yield* FileSystem.FileSystem
      const target = `${directory}/target`
      for (let times = 0; times < 3; times++) {
        yield* mounter.bind({ source: `${directory}/staging`, target, readOnly: times === 1 })
      }
      assert.strictEqual((yield* mounter.mountsAt(target)).length, 3)
      yield* fs.writeFileString(`/proc/${pid}/root${target}/data`, "precious")
      yield* mounter.unmount(target)
      assert.deepStrictEqual(yield* mounter.mountsAt(target), [])
      yield* mounter.removeTarget(target)
      yield* mounter.removeTarget(target)
      assert.strictEqual(yield* fs.readFileString(`/proc/${pid}/root${directory}/staging/data`), "precious")
      yield* fs.writeFileString(`${directory}/left`, "x")
      assert.strictEqual((yield* Effect.flip(mounter.removeTarget(directory)))._tag, "TargetOccupied")
      assert.strictEqual((yield* Effect.flip(mounter.removeTarget(`${directory}/left`)))._tag, "TargetOccupied")
      assert.deepInclude(yield* mounter.probe(device), { _tag: "Formatted" })
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("a path through links is the mount that it leads to", () =>
    Effect.gen(function*() {
      const { directory, mounter } = yield* mounted
      const fs = yield* FileSystem.FileSystem
      yield* fs.symlink(directory, `${directory}/link`)
      assert.strictEqual((yield* mounter.mountsAt(`${directory}/link/link/staging`)).length, 1)
      yield* mounter.unmount(`${directory}/link/staging`)
      assert.deepStrictEqual(yield* mounter.mountsAt(`${directory}/staging`), [])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("a mount with an open file is busy, and is not forced either", () =>
    Effect.gen(function*() {
      const { directory, mounter, pid } = yield* mounted
      const fs = yield* FileSystem.FileSystem
      const path = `${directory}/staging`
      yield* Effect.scoped(Effect.gen(function*() {
        yield* fs.open(`/proc/${pid}/root${path}/file`, { flag: "w" })
        assert.strictEqual((yield* Effect.flip(mounter.unmount(path)))._tag, "VolumeInUse")
      }))
      yield* mounter.unmount(path)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("trap: blkid calls what it cannot read empty. What is another device now is unreadable, what holds data is foreign", () =>
    Effect.gen(function*() {
      const { device, directory, mounter } = yield* host
      const fs = yield* FileSystem.FileSystem
      yield* Effect.scoped(Effect.gen(function*() {
        const file = yield* fs.open(`${directory}/image`, { flag: "r+" })
        yield* file.seek(64n * 1024n * 1024n - 1n, "start")
        yield* file.writeAll(new Uint8Array([1]))
        yield* file.sync
      }))
      yield* inHost("blockdev", ["--flushbufs", device.path])
      assert.deepStrictEqual(yield* mounter.probe(device), { _tag: "Foreign", what: "data without a known signature" })
      const renamed = { ...device, minor: device.minor === 0 ? 1 : 0 }
      assert.strictEqual((yield* Effect.flip(mounter.probe(renamed)))._tag, "DeviceUnreadable")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("a block special file is made, replaced when it names another device, seen with its access, and removed", () =>
    Effect.gen(function*() {
      const { device, directory, mounter } = yield* host
      const target = `${directory}/node`
      assert.deepStrictEqual(yield* mounter.blockNode(target), Option.none())
      yield* mounter.makeBlockNode({ target, device: { major: 259, minor: 70_000 }, readOnly: false })
      assert.deepStrictEqual(
        yield* mounter.blockNode(target),
        Option.some({ major: 259, minor: 70_000, readOnly: false })
      )
      yield* mounter.makeBlockNode({ target, device, readOnly: true })
      const now = Option.some({ major: 7, minor: device.minor, readOnly: true })
      assert.deepStrictEqual(yield* mounter.blockNode(target), now)
      yield* mounter.makeBlockNode({ target, device, readOnly: true })
      yield* mounter.removeTarget(target)
      assert.deepStrictEqual(yield* mounter.blockNode(target), Option.none())
      assert.deepStrictEqual(yield* mounter.blockNode(directory), Option.none())
      const occupied = mounter.makeBlockNode({ target: `${directory}/image`, device, readOnly: true })
      assert.strictEqual((yield* Effect.flip(occupied))._tag, "TargetOccupied")
    }).pipe(Effect.provide(NodeServices.layer)))
})
