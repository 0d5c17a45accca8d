import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { generateSshKeyPair } from "../../../src/simulator/Keys.ts"
import { Simulator } from "../../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"
import { addDisk } from "../support/Device.ts"

const device = (options: SimulatorOptions = {}) => Simulator.start(Simulator.config(options))
const image = "storage-pool/metal-csi/x.img"

describe("/file", () => {
  it.effect("trap: names have no leading slash, where /disk has one", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      const count = (name: string) => simulator.run(`:put [:len [/file/find name="${name}"]]`)
      assert.strictEqual(yield* count(image), "1\r\n")
      assert.strictEqual(yield* count(`/${image}`), "0\r\n")
      assert.strictEqual(yield* simulator.run(":put [/disk/get x file-path]"), `/${image}\r\n`)
    }))

  it.effect("shows an image's type with a blank and without quotes, its size rounded, its time without zone", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      const output = yield* simulator.run(`/file/print detail where name="${image}"`)
      const text = output.replace(/\r\n +/g, " ")
      assert.match(text, /name=\S+x\.img type=\.img file size=1024\.0MiB last-modified=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)
    }))

  it.effect("makes directories and files with contents, in directories that exist", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      assert.strictEqual(yield* simulator.run("/file/add type=directory name=storage-pool/a"), "")
      assert.strictEqual(yield* simulator.run("/file/add name=/storage-pool/a/note.txt contents=\"one two\""), "")
      assert.strictEqual(yield* simulator.run(":put [/file/get storage-pool/a/note.txt contents]"), "one two\r\n")
      assert.include(yield* simulator.run("/file/add name=storage-pool/b/note.txt"), "failure: no such directory")
      assert.include(yield* simulator.run("/file/add type=directory name=storage-pool/a"), "failure: already have file")
      assert.include(yield* simulator.run("/file/add type=directory name=storage-pool"), "failure: already have file")
      assert.include(yield* simulator.run("/file/add name=storage-pool/../x"), "failure: invalid file name")
    }))

  it.effect("makes missing directories when read so", () =>
    Effect.gen(function*() {
      const simulator = yield* device({ unsure: { missingDirectory: "create" } })
      assert.strictEqual(yield* simulator.run("/file/add name=storage-pool/b/c/note.txt"), "")
      const paths = (yield* simulator.device.files).map(({ path }) => path)
      assert.includeMembers(paths, ["storage-pool/b", "storage-pool/b/c", "storage-pool/b/c/note.txt"])
      assert.include(yield* simulator.run("/file/add name=elsewhere/note.txt"), "failure: no such directory")
    }))

  it.effect("changes contents, and not those of a disk's image", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      yield* simulator.run("/file/add name=storage-pool/note.txt contents=one")
      yield* simulator.run("/file/set storage-pool/note.txt contents=three")
      assert.strictEqual(yield* simulator.run(":put [/file/get storage-pool/note.txt size]"), "5\r\n")
      assert.include(yield* simulator.run(`/file/set ${image} contents=x`), "failure: file is in use")
      assert.include(yield* simulator.run("/file/set storage-pool/metal-csi contents=x"), "failure: ")
    }))

  it.effect.each(["get", "print"] as const)("answers contents of some hundred characters: %s", (
    fileContents
  ) =>
    Effect.gen(function*() {
      const simulator = yield* device({ unsure: { fileContents } })
      const record = `cluster=prod source=pvc-1 size=${1n << 40n} ${"x".repeat(600)}`
      const name = "storage-pool/metal-csi/a.snap"
      yield* simulator.run(`/file/add name="${name}" contents="new"`)
      assert.strictEqual(yield* simulator.run(`/file/set [find where name="${name}"] contents="${record}"`), "")
      assert.strictEqual(yield* simulator.run(`:put [/file/get [find where name="${name}"] contents]`), `${record}\r\n`)
      const rows = yield* simulator.run(
        ":foreach r in=[/file/print detail as-value where name~\"^storage-pool/metal-csi/[^/]+\\\\.snap\\$\"] do={ " +
          ":put ($r->\"name\"); :put ($r->\"size\"); :put ($r->\"contents\") }"
      )
      const contents = fileContents === "print" ? record : ""
      assert.strictEqual(rows, `${name}\r\n${record.length}\r\n${contents}\r\n`)
    }))

  it.effect.each<readonly ["refuse" | "remove", number]>([["refuse", 1], ["remove", 0]])(
    "removing the file behind a disk item: %s",
    ([busyFile, left]) =>
      Effect.gen(function*() {
        const simulator = yield* device({ unsure: { busyFile } })
        yield* simulator.run(addDisk("x"))
        const output = yield* simulator.run(`/file/remove ${image}`)
        assert.strictEqual(output, left === 1 ? "failure: file is in use, stop using it first\r\n" : "")
        const images = (yield* simulator.device.files).filter(({ path }) => path === image)
        assert.strictEqual(images.length, left)
      })
  )

  it.effect("removes a directory with what is in it, unless an image there is in use; never a mount point", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      yield* simulator.run("/file/add name=storage-pool/metal-csi-2 contents=sibling")
      assert.include(yield* simulator.run("/file/remove storage-pool/metal-csi"), "failure: file is in use")
      yield* simulator.run("/disk/remove x")
      assert.strictEqual(yield* simulator.run("/file/remove storage-pool/metal-csi"), "")
      const left = (yield* simulator.device.files).map(({ path }) => path)
      assert.deepStrictEqual(left, ["storage-pool/metal-csi-2"])
      assert.include(yield* simulator.run("/file/remove storage-pool"), "failure: can not remove a mount point")
      const [pool] = yield* simulator.device.pools
      assert.strictEqual(pool?.freeBytes, 16_000_000_000_000n * 993n / 1000n - 4096n)
    }))
})

describe("the device itself", () => {
  it.effect("says what it is", () =>
    Effect.gen(function*() {
      const simulator = yield* device({ version: "7.21 (stable)" })
      assert.strictEqual(yield* simulator.run(":put [/system/resource/get version]"), "7.21 (stable)\r\n")
      assert.strictEqual(yield* simulator.run(":put [/system/resource/get board-name]"), "RDS2216\r\n")
      const probe = ":put [:len [/system/package/find where name=\"rose-storage\" and !disabled]]"
      assert.strictEqual(yield* simulator.run(probe), "1\r\n")
      assert.strictEqual(yield* (yield* device({ packages: [] })).run(probe), "0\r\n")
      assert.strictEqual(
        yield* simulator.run("/system/identity/set name=rack7; :put [/system/identity/get name]"),
        "rack7\r\n"
      )
    }))

  it.effect("takes keys of users that RouterOS takes, and imports them from files, which are then gone", () =>
    Effect.gen(function*() {
      const key = yield* generateSshKeyPair("new")
      const simulator = yield* device({ users: [{ name: "csi", publicKeys: [], policies: ["ssh"] }] })
      yield* simulator.run(`/user/ssh-keys/add user=csi key="${key.publicKey}"`)
      yield* simulator.run(`/file/add name=storage-pool/key.pub contents="${key.publicKey}"`)
      yield* simulator.run("/user/ssh-keys/import public-key-file=storage-pool/key.pub user=csi")
      assert.strictEqual(yield* simulator.run(":put [:len [/user/ssh-keys/find user=csi]]"), "2\r\n")
      assert.strictEqual(yield* simulator.run(":put [:len [/file/find name=\"storage-pool/key.pub\"]]"), "0\r\n")
      yield* simulator.run("/user/ssh-keys/remove [find user=csi]")
      assert.strictEqual(yield* simulator.run(":put [:len [/user/ssh-keys/find]]"), "0\r\n")
      const ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBr+5wKJ6Qk= x"
      assert.include(yield* simulator.run(`/user/ssh-keys/add user=csi key="${ecdsa}"`), "unable to load key file")
      assert.include(
        yield* simulator.run(`/user/ssh-keys/add user=nobody key="${key.publicKey}"`),
        "failure: no such user"
      )
    }))
})
