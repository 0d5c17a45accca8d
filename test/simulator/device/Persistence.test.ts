import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Path } from "effect"
import { Simulator } from "../../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"
import { addDisk } from "../support/Device.ts"

const device = (stateDirectory: string, options: SimulatorOptions = {}) =>
  Simulator.start(Simulator.config({ stateDirectory, ...options }))

it.layer(NodeServices.layer)("state directory", (it) => {
  it.effect("holds images as sparse files of their exact size, and lets go of removed ones", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const directory = yield* fs.makeTempDirectoryScoped()
      const simulator = yield* device(directory)
      const image = path.join(directory, "files/storage-pool/metal-csi/x.img")
      yield* simulator.run(addDisk("x"))
      const made = yield* fs.stat(image)
      assert.strictEqual(made.size, 1n << 30n)
      assert.isBelow(Number(Option.getOrThrow(made.blocks)), 100)
      yield* fs.writeFileString(image, "guest data", { flag: "r+" })
      yield* simulator.run(`/disk/set x file-size=${(1n << 30n) + 12345n}`)
      assert.strictEqual((yield* fs.stat(image)).size, (1n << 30n) + 12345n)
      yield* simulator.run("/disk/remove x")
      assert.isTrue(yield* fs.exists(image))
      yield* simulator.run("/file/remove storage-pool/metal-csi/x.img")
      assert.isFalse(yield* fs.exists(image))
    }))

  it.effect("brings the device back as it was: disks, files, ids, name, keys and host key", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const simulator = yield* device(directory)
        yield* simulator.run(addDisk("x", "comment=mine"))
        yield* simulator.run(`${addDisk("y")}; /disk/remove y`)
        yield* simulator.run("/file/add name=storage-pool/note.txt contents=hello")
        yield* simulator.run("/system/identity/set name=rack7")
        const state = [yield* simulator.device.disks, yield* simulator.device.files, yield* simulator.device.pools]
        return { state, hostKeys: simulator.hostKeys.authorizedKeys }
      }))
      const again = yield* device(directory, { version: "7.25 (stable)" })
      assert.deepStrictEqual(
        [yield* again.device.disks, yield* again.device.files, yield* again.device.pools],
        first.state
      )
      assert.strictEqual(again.hostKeys.authorizedKeys, first.hostKeys)
      assert.strictEqual(yield* again.run(":put [/system/identity/get name]"), "rack7\r\n")
      assert.strictEqual(yield* again.run(":put [/file/get storage-pool/note.txt contents]"), "hello\r\n")
      assert.strictEqual(yield* again.run(":put [/system/resource/get version]"), "7.25 (stable)\r\n")
      yield* again.run(addDisk("z"))
      const ids = (yield* again.device.disks).map(({ id }) => id)
      assert.strictEqual(new Set(ids).size, ids.length)
    }))

  it.effect("keeps guest data in an image over a restart", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const directory = yield* fs.makeTempDirectoryScoped()
      const image = path.join(directory, "files/storage-pool/metal-csi/x.img")
      yield* Effect.scoped(Effect.flatMap(device(directory), (simulator) => simulator.run(addDisk("x"))))
      yield* fs.writeFileString(image, "guest data", { flag: "r+" })
      const again = yield* device(directory)
      yield* again.run("/disk/set x file-size=2G")
      const file = yield* fs.open(image, { flag: "r" })
      const buffer = new Uint8Array(10)
      yield* file.read(buffer)
      assert.strictEqual(new TextDecoder().decode(buffer), "guest data")
    }))

  it.effect("of another program or broken is refused, with the file named, and left as it is", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const directory = yield* fs.makeTempDirectoryScoped()
      const file = path.join(directory, "state.json")
      yield* fs.writeFileString(file, "{\"volumes\":[]}")
      const { message } = yield* Effect.flip(device(directory))
      assert.include(message, `${file} cannot be read`)
      assert.strictEqual(yield* fs.readFileString(file), "{\"volumes\":[]}")
      yield* fs.writeFileString(path.join(directory, "file"), "")
      const other = yield* Effect.flip(device(path.join(directory, "file")))
      assert.include(other.message, "cannot be used")
    }))
})
