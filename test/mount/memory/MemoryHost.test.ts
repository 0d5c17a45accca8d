import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FileSystem, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryKernel from "../../../src/csi/node/MemoryKernel.ts"
import { HostPaths } from "../../../src/mount/memory/HostPaths.ts"
import { MemoryHost } from "../../../src/mount/memory/MemoryHost.ts"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { MemoryExports } from "../../../src/nvme/memory/MemoryExports.ts"
import { NvmeFabric } from "../../../src/nvme/NvmeFabric.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"

/** A node on the given paths. */
const onNode = <E, R>(paths: Layer.Layer<HostPaths, E, R>) =>
  Layer.fresh(
    MemoryKernel.layer({ deviceDelayMillis: 0 }).pipe(Layer.provideMerge(Layer.merge(MemoryExports.layer, paths)))
  )

const node = onNode(HostPaths.layerMemory)

/** A connected volume's device. */
const deviceOf = Effect.fnUntraced(function*(name: string) {
  const exports = yield* MemoryExports
  const fabric = yield* NvmeFabric
  const nqn = Nqn.ofVolume(VolumeId.fromName(name))
  yield* exports.put(nqn, { sizeBytes: 1n << 30n })
  const tuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }
  yield* fabric.connect({ nqn, address: "::1", port: 4420, hostNqn: Nqn.host("n"), hostId: Nqn.hostId("n"), tuning })
  return Option.getOrThrow(yield* fabric.device(nqn))
})

const formatted = Effect.fnUntraced(function*(name: string, fsType: "ext4" | "xfs") {
  const mounter = yield* Mounter
  const device = yield* deviceOf(name)
  yield* mounter.format(device, fsType)
  return device
})

describe("the memory host behaves as Linux does", () => {
  it.effect("mounts stack, umount takes the top one, and what is below shows again", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const host = yield* MemoryHost
      const paths = yield* HostPaths
      yield* paths.makeDirectory("/a")
      for (const name of ["one", "two"]) {
        const device = yield* formatted(name, "ext4")
        yield* mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
        yield* host.writeFile("/a", "name", name)
      }
      assert.lengthOf(yield* mounter.mountsAt("/a"), 2)
      assert.deepStrictEqual(yield* host.readFile("/a", "name"), Option.some("two"))
      yield* host.unmount("/a")
      assert.deepStrictEqual(yield* host.readFile("/a", "name"), Option.some("one"))
      yield* mounter.unmount("/a")
      assert.deepStrictEqual(yield* mounter.mountsAt("/a"), [])
    }).pipe(Effect.provide(node)))

  it.effect("the same file system is refused on its own mount, as by two mount programs at once", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const paths = yield* HostPaths
      yield* paths.makeDirectory("/a")
      const device = yield* formatted("one", "ext4")
      const mount = mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
      const ends = yield* Effect.all([mount, mount].map(Effect.result), { concurrency: 2 })
      assert.sameMembers(ends.map(({ _tag }) => _tag), ["Success", "Failure"])
      assert.lengthOf(yield* mounter.mountsAt("/a"), 1)
    }).pipe(Effect.provide(node)))

  it.effect("a mount is forced only when nothing else uses the device", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const host = yield* MemoryHost
      const paths = yield* HostPaths
      yield* paths.makeDirectory("/a")
      const device = yield* formatted("one", "ext4")
      yield* mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
      yield* mounter.bind({ source: "/a", target: "/b", readOnly: false })
      assert.include((yield* Effect.flip(mounter.forceUnmount("/a"))).message, "mounted at /b")
      yield* mounter.unmount("/b")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* host.openDevice(device, "a program")
        assert.strictEqual((yield* Effect.flip(mounter.forceUnmount("/a")))._tag, "VolumeInUse")
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* host.openFile("/a")
        assert.strictEqual((yield* Effect.flip(mounter.forceUnmount("/a")))._tag, "VolumeInUse")
      }))
      yield* mounter.forceUnmount("/a")
      assert.deepStrictEqual(yield* mounter.mountsOf(device), [])
    }).pipe(Effect.provide(node)))

  it.effect("an ext4 may be mounted twice; an XFS of the same UUID on another device only with nouuid", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const host = yield* MemoryHost
      const paths = yield* HostPaths
      const exports = yield* MemoryExports
      const source = yield* formatted("source", "xfs")
      const clone = yield* deviceOf("clone")
      const content = Option.getOrThrow(exports.peek(Nqn.ofVolume(VolumeId.fromName("source")))).content
      yield* exports.put(Nqn.ofVolume(VolumeId.fromName("clone")), { content })
      for (const path of ["/a", "/b", "/c"]) yield* paths.makeDirectory(path)
      const mount = (device: typeof source, path: string, flags: ReadonlyArray<string> = []) =>
        mounter.mount({ device, path, fsType: "xfs", flags })
      yield* mount(source, "/a")
      yield* mount(source, "/b")
      yield* host.writeFile("/a", "name", "shared")
      assert.deepStrictEqual(yield* host.readFile("/b", "name"), Option.some("shared"))
      assert.include((yield* Effect.flip(mount(clone, "/c"))).message, "duplicate UUID")
      yield* mount(clone, "/c", ["nouuid"])
    }).pipe(Effect.provide(node)))

  it.effect("mkfs wipes what was there", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const host = yield* MemoryHost
      const paths = yield* HostPaths
      const device = yield* formatted("a", "ext4")
      yield* paths.makeDirectory("/a")
      yield* mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
      yield* host.writeFile("/a", "data", "precious")
      yield* mounter.unmount("/a")
      yield* mounter.format(device, "ext4")
      yield* mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
      assert.deepStrictEqual(yield* host.readFile("/a", "data"), Option.none())
    }).pipe(Effect.provide(node)))

  it.effect("unmount refuses while files are open, and leaves the mount", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const host = yield* MemoryHost
      const paths = yield* HostPaths
      const device = yield* formatted("a", "ext4")
      yield* paths.makeDirectory("/a")
      yield* mounter.mount({ device, path: "/a", fsType: "ext4", flags: [] })
      const error = yield* Effect.scoped(Effect.andThen(host.openFile("/a"), Effect.flip(mounter.unmount("/a"))))
      assert.strictEqual(error._tag, "VolumeInUse")
      yield* mounter.unmount("/a")
    }).pipe(Effect.provide(node)))

  it.effect("a probe of a device that lost its target waits, and gives up within its limit", () =>
    Effect.gen(function*() {
      const mounter = yield* Mounter
      const exports = yield* MemoryExports
      const device = yield* deviceOf("a")
      yield* exports.put(Nqn.ofVolume(VolumeId.fromName("a")), { up: false })
      const probe = yield* Effect.forkChild(Effect.flip(mounter.probe(device)), { startImmediately: true })
      yield* TestClock.adjust("31 seconds")
      const error = yield* Fiber.join(probe)
      assert.strictEqual(error._tag, "DeviceUnreadable")
    }).pipe(Effect.provide(node)))
})

describe("the memory host on real paths, for development without root", () => {
  const realNode = Layer.unwrap(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return onNode(HostPaths.layerReal(`${yield* fs.makeTempDirectoryScoped()}/data`))
  })).pipe(Layer.provideMerge(NodeServices.layer))

  it.live("what programs write below a published directory stays on the volume", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const mounter = yield* Mounter
      const root = yield* fs.makeTempDirectoryScoped()
      const [staging, target] = [`${root}/staging`, `${root}/target`]
      yield* fs.makeDirectory(staging)
      const device = yield* formatted("a", "ext4")
      yield* mounter.mount({ device, path: staging, fsType: "ext4", flags: [] })
      yield* mounter.bind({ source: staging, target, readOnly: false })
      yield* fs.writeFileString(`${target}/file`, "precious")
      yield* mounter.unmount(target)
      yield* mounter.removeTarget(target)
      assert.isFalse(yield* fs.exists(target))
      assert.strictEqual(yield* fs.readFileString(`${staging}/file`), "precious")
      yield* mounter.unmount(staging)
      assert.deepStrictEqual(yield* fs.readDirectory(staging), [])
      yield* mounter.mount({ device, path: staging, fsType: "ext4", flags: [] })
      assert.strictEqual(yield* fs.readFileString(`${staging}/file`), "precious")
    }).pipe(Effect.provide(realNode)))

  it.live("a block target is a file there, and goes with unpublish", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const mounter = yield* Mounter
      const target = `${yield* fs.makeTempDirectoryScoped()}/target`
      const device = yield* deviceOf("a")
      yield* mounter.makeBlockNode({ target, device, readOnly: true })
      assert.deepStrictEqual(
        yield* mounter.blockNode(target),
        Option.some({ major: device.major, minor: device.minor, readOnly: true })
      )
      yield* mounter.removeTarget(target)
      yield* mounter.removeTarget(target)
      assert.isFalse(yield* fs.exists(target))
    }).pipe(Effect.provide(realNode)))

  it.live("trap: the target is removed recursively: a directory or file with content stays, and is an error", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const mounter = yield* Mounter
      const root = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${root}/target`)
      yield* fs.writeFileString(`${root}/target/file`, "precious")
      for (const path of [`${root}/target`, `${root}/target/file`]) {
        const exit = yield* Effect.exit(mounter.removeTarget(path))
        assert.isTrue(Exit.isFailure(exit))
      }
      assert.strictEqual((yield* Effect.flip(mounter.removeTarget(`${root}/target`)))._tag, "TargetOccupied")
      assert.strictEqual(yield* fs.readFileString(`${root}/target/file`), "precious")
    }).pipe(Effect.provide(realNode)))
})
