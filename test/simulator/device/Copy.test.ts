import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Option } from "effect"
import { TestClock } from "effect/testing"
import type { Simulator as Device } from "../../../src/simulator/Simulator.ts"
import { addImage, addSubvolume, btrfsDevice, btrfsPool } from "../support/Btrfs.ts"

const mib = 1n << 20n

/** Copies 1 MiB in a second. */
const slow = { copyRate: mib }

const make = (name: string, size: string) =>
  `/disk/add type=file slot=${name} file-path=/pool/vols/${name} file-size=${size}`

const sizeOf = ({ device }: Device, path: string) =>
  Effect.map(device.files, (files) => files.find((file) => file.path === path)?.sizeBytes)

describe("/file/copy", () => {
  it.effect("copies a file with its contents, and a directory with everything in it", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* simulator.run(`${make("a", "3M")}; /file/add name=pool/vols/note contents="one two"; ${addSubvolume("s")}`)
      yield* simulator.run("/file/add name=pool/vols/s/inner contents=x")
      assert.strictEqual(
        yield* simulator.run("/file/copy pool/vols name=/pool/copy; :put [/file/get pool/copy/note contents]"),
        "one two\r\n"
      )
      const files = (yield* simulator.device.files).filter(({ path }) => path.startsWith("pool/copy"))
      assert.deepStrictEqual(files.map(({ directory, path, sizeBytes }) => [path, directory, sizeBytes]), [
        ["pool/copy", true, 0n],
        ["pool/copy/a", false, 3n * mib],
        ["pool/copy/note", false, 7n],
        ["pool/copy/s", true, 0n],
        ["pool/copy/s/inner", false, 1n]
      ])
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/find]]"), "1\r\n")
      assert.strictEqual(yield* simulator.run("/file/remove pool/copy"), "")
    }))

  it.effect.each(
    [
      ["pool/vols/a name=pool/vols/b", "failure: already have file with such name"],
      ["pool/vols/a name=pool/nosuch/b", "failure: no such directory"],
      ["pool/vols/a name=pool/vols/s/b", "failure: read-only file system"],
      ["pool/vols/nosuch name=pool/vols/c", "no such item (4)"],
      ["pool/vols name=pool/vols/c", "failure: can not copy a directory into itself"],
      ["pool/vols/a", "missing value(s) of argument(s) name"]
    ] as const
  )("refuses %s", ([given, expected]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* simulator.run(`${make("a", "1M")}; ${make("b", "1M")}; ${addSubvolume("s", "read-only=yes")}`)
      const before = yield* simulator.device.files
      assert.strictEqual(yield* simulator.run(`/file/copy ${given}`), `${expected}\r\n`)
      assert.deepStrictEqual(yield* simulator.device.files, before)
    }))

  it.effect("is unknown before RouterOS 7.23", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ version: "7.22.3 (stable)" })
      assert.include(yield* simulator.run("/file/copy pool/vols name=pool/copy"), "bad command name copy")
    }))

  it.effect("takes the time that the rate says, while its target grows; interrupted it leaves what there is", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice(slow)
      yield* simulator.run(make("a", "10M"))
      const copy = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/b; :put done"))
      yield* TestClock.adjust("4 seconds")
      const size = Number(yield* sizeOf(simulator, "pool/vols/b"))
      assert.isAbove(size, 3 * Number(mib))
      assert.isAtMost(size, 4 * Number(mib))
      yield* Fiber.interrupt(copy)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(Number(yield* sizeOf(simulator, "pool/vols/b")), size)
      const again = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/c; :put done"))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* Fiber.join(again), "done\r\n")
      assert.strictEqual(yield* sizeOf(simulator, "pool/vols/c"), 10n * mib)
    }))

  it.effect("shows the target when it is complete, when read so", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ ...slow, unsure: { copyTarget: "appears" } })
      yield* simulator.run(make("a", "10M"))
      const copy = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/b"))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(yield* sizeOf(simulator, "pool/vols/b"))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(copy)
      assert.strictEqual(yield* sizeOf(simulator, "pool/vols/b"), 10n * mib)
    }))

  it.effect.each([["leave", true], ["undo", false]] as const)(
    "without space for all of it: %s",
    ([failedCopy, left]) =>
      Effect.gen(function*() {
        const pools = [{ ...btrfsPool, sizeBytes: 16n * mib }]
        const simulator = yield* btrfsDevice({ ...slow, pools, unsure: { failedCopy } })
        yield* simulator.run(make("a", "10M"))
        const copy = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/b"))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* Fiber.join(copy), "failure: not enough space\r\n")
        assert.strictEqual((yield* sizeOf(simulator, "pool/vols/b")) !== undefined, left)
      })
  )

  it.effect.each([["copy", ""], ["refuse", "failure: file is in use, stop using it first\r\n"]] as const)(
    "an image that is exported: %s",
    ([copiedExport, expected]) =>
      Effect.gen(function*() {
        const simulator = yield* btrfsDevice({ unsure: { copiedExport } })
        yield* simulator.run(`${addSubvolume("a")}; ${addImage("a")}`)
        const copy = "/file/copy pool/vols/a/disk.img name=pool/vols/copy"
        assert.strictEqual(yield* simulator.run(copy), expected)
        assert.strictEqual(yield* simulator.run(`/disk/set a nvme-tcp-export=no; ${copy}2`), "")
      })
  )
})

it.layer(NodeServices.layer)("copies in a state directory", (it) => {
  it.effect("have the bytes, without the holes, of the moment at which each part was copied", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const stateDirectory = yield* fs.makeTempDirectoryScoped()
      const simulator = yield* btrfsDevice({ ...slow, stateDirectory })
      yield* simulator.run(make("a", "10M"))
      const file = (name: string) => `${stateDirectory}/files/pool/vols/${name}`
      const write = Effect.fnUntraced(function*(text: string, at: bigint) {
        const image = yield* fs.open(file("a"), { flag: "r+" })
        yield* image.seek(at, "start")
        yield* image.writeAll(new TextEncoder().encode(text))
      }, Effect.scoped)
      yield* write("begin 1", 0n)
      yield* write("end 1", 9n * mib)
      const copy = yield* Effect.forkChild(simulator.run("/file/copy pool/vols/a name=pool/vols/b"))
      // This machine copies the bytes in its own time, so a step is waited for before the next one is due.
      const copied = (bytes: bigint) =>
        Effect.repeat(Effect.andThen(TestClock.adjust("100 millis"), sizeOf(simulator, "pool/vols/b")), {
          until: (size = 0n) => size >= bytes
        })
      yield* copied(3n * mib)
      yield* write("begin 2", 0n)
      yield* write("end 2", 9n * mib)
      yield* copied(10n * mib)
      yield* Fiber.join(copy)
      const bytes = yield* fs.readFile(file("b"))
      const text = (at: number, length: number) => new TextDecoder().decode(bytes.subarray(at, at + length))
      assert.strictEqual(bytes.length, 10 * Number(mib))
      assert.deepStrictEqual([text(0, 7), text(9 * Number(mib), 5)], ["begin 1", "end 2"])
      assert.isBelow(Number(Option.getOrThrow((yield* fs.stat(file("b"))).blocks)), 1000)
    }))
})
