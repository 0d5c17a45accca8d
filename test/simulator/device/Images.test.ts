import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Option } from "effect"
import { TestClock } from "effect/testing"
import type { Simulator as Device } from "../../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"
import { addImage, addSubvolume, btrfsDevice } from "../support/Btrfs.ts"

const nqn = (name: string) => `nqn.2000-02.com.mikrotik:${name}`
const image = (name: string) => `pool/vols/${name}/disk.img`

const contentOf = ({ device }: Device, name: string) =>
  Effect.map(device.exportedDisk(nqn(name)), Option.map(({ content }) => content))

/** Attaches and exports an image that is there already. */
const attach = (name: string) => `/disk/add type=file slot=${name} file-path=/${image(name)} nvme-tcp-export=yes`

/** A volume on which "old" was written, a snapshot of it, "new" on the volume since, and a volume restored from the snapshot. */
const restored = Effect.fnUntraced(function*(options: SimulatorOptions = {}) {
  const simulator = yield* btrfsDevice(options)
  yield* simulator.run(`${addSubvolume("a")}; ${addImage("a")}`)
  yield* simulator.device.writeImage(image("a"), "old")
  yield* simulator.run(addSubvolume("s", "parent=vols/a read-only=yes"))
  yield* simulator.device.writeImage(image("a"), "new")
  yield* simulator.run(`${addSubvolume("b", "parent=vols/s")}; ${attach("b")}`)
  return simulator
})

describe("what a guest wrote", () => {
  it.effect("is in a snapshot as it was, and in what is restored from it", () =>
    Effect.gen(function*() {
      const simulator = yield* restored()
      assert.deepStrictEqual(yield* contentOf(simulator, "a"), Option.some("new"))
      assert.deepStrictEqual(yield* contentOf(simulator, "b"), Option.some("old"))
      const { message } = yield* Effect.flip(simulator.device.writeImage(image("s"), "x"))
      assert.strictEqual(message, "failure: read-only file system")
    }))

  it.effect("is nothing to be found unless it is exported and the device is on", () =>
    Effect.gen(function*() {
      const simulator = yield* restored()
      yield* simulator.run("/disk/set a nvme-tcp-export=no")
      assert.deepStrictEqual(yield* contentOf(simulator, "a"), Option.none())
      yield* simulator.reboot("1 second")
      assert.deepStrictEqual(yield* contentOf(simulator, "b"), Option.none())
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* contentOf(simulator, "b"), Option.some("old"))
    }))

  it.effect("trap: a copy of an image that is written meanwhile is of no point in time", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ copyRate: 100n })
      yield* simulator.run("/disk/add type=file slot=a file-path=/pool/vols/a file-size=100")
      yield* simulator.device.writeImage("pool/vols/a", "1111111111".repeat(10))
      const copy = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/b"))
      yield* TestClock.adjust("500 millis")
      yield* simulator.device.writeImage("pool/vols/a", "2222222222".repeat(10))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(copy)
      const files = yield* simulator.device.files
      const contents = files.find(({ path }) => path === "pool/vols/b")?.contents
      assert.strictEqual(contents, "1".repeat(50) + "2".repeat(50))
    }))
})

it.layer(NodeServices.layer)("the directory that stands for a guest's files", (it) => {
  it.effect.each([false, true])(
    "goes the way of its image (in a state directory: %s)",
    (kept) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const options = kept ? { stateDirectory: yield* fs.makeTempDirectoryScoped() } : {}
        const directoryOf = ({ device }: Device, name: string) =>
          Effect.map(device.exportedDisk(nqn(name)), (disk) => Option.getOrThrow(disk).directory)
        const file = (simulator: Device, name: string) =>
          Effect.map(directoryOf(simulator, name), (directory) => `${directory}/f`)
        const read = (simulator: Device, name: string) => Effect.flatMap(file(simulator, name), fs.readFileString)
        const write = (simulator: Device, text: string) =>
          Effect.flatMap(file(simulator, "a"), (path) => fs.writeFileString(path, text))

        yield* Effect.scoped(Effect.gen(function*() {
          const simulator = yield* btrfsDevice(options)
          yield* simulator.run(`${addSubvolume("a")}; ${addImage("a")}`)
          yield* write(simulator, "old")
          yield* simulator.run(addSubvolume("s", "parent=vols/a read-only=yes"))
          yield* write(simulator, "new")
          yield* simulator.run(`${addSubvolume("b", "parent=vols/s")}; ${attach("b")}`)
          yield* simulator.run(`${addSubvolume("c")}; /file/copy ${image("a")} name=${image("c")}; ${attach("c")}`)
          const texts = yield* Effect.forEach(["a", "b", "c"], (name) => read(simulator, name))
          assert.deepStrictEqual(texts, ["new", "old", "new"])
          const gone = yield* directoryOf(simulator, "c")
          yield* simulator.run(`/disk/remove c; /disk/btrfs/subvolume/remove c`)
          assert.isFalse(yield* fs.exists(gone))
        }))
        if (!kept) return
        const again = yield* btrfsDevice(options)
        yield* again.run(`${addSubvolume("d", "parent=vols/b")}; ${attach("d")}`)
        assert.strictEqual(yield* read(again, "d"), "old")
      })
  )
})
