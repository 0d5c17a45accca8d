import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import { Simulator, type Simulator as Device } from "../../../src/simulator/Simulator.ts"
import { defaultPool } from "../../../src/simulator/SimulatorConfig.ts"
import { addImage, addSubvolume, btrfsDevice, btrfsPool } from "../support/Btrfs.ts"

const gib = 1n << 30n

const snapshot = (of: string, name: string, readOnly = "yes") =>
  addSubvolume(name, `parent=vols/${of} read-only=${readOnly}`)

const paths = ({ device }: Device) => Effect.map(device.files, (files) => files.map(({ path }) => path))

const free = ({ device }: Device) => Effect.map(device.pools, ([pool]) => pool?.freeBytes ?? 0n)

/** Runs the lines and expects that none of them says anything. */
const quietly = (simulator: Device, ...lines: ReadonlyArray<string>) =>
  Effect.forEach(lines, (line) => Effect.map(simulator.run(line), (said) => assert.strictEqual(said, "", line)), {
    discard: true
  })

describe("/disk/btrfs/filesystem", () => {
  it.effect("has the pools with Btrfs, which /disk shows with the same label and UUID", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ pools: [defaultPool, btrfsPool] })
      assert.strictEqual(yield* simulator.run(":put [/disk/btrfs/filesystem/get [find devs=raid1] label]"), "Data\r\n")
      const uuids = yield* simulator.run(
        ":put ([/disk/get raid1 fs-uuid] . \" \" . [/disk/btrfs/filesystem/get Data uuid])"
      )
      assert.match(uuids, /^([0-9a-f-]{36}) \1\r\n$/)
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/filesystem/find]]"), "1\r\n")
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/find where fs=btrfs and fs-label=Data]]"), "1\r\n")
    }))

  it.effect("trap: labels a file system after its disk, not its mount point, and takes another label", () =>
    Effect.gen(function*() {
      const { label: _, ...pool } = btrfsPool
      const simulator = yield* btrfsDevice({ pools: [pool] })
      assert.strictEqual(yield* simulator.run(":put [/disk/get raid1 fs-label]"), "raid1-fs\r\n")
      yield* quietly(simulator, "/disk/btrfs/filesystem/set raid1-fs label=Data", addSubvolume("a"))
      assert.strictEqual(yield* simulator.run(":put [/disk/btrfs/subvolume/get a fs]"), "Data\r\n")
    }))

  it.effect.each(
    [
      ["devs", "present-devs"],
      ["present-devs", "devs"]
    ] as const
  )("names its disks %s, and does not know %s", ([btrfsDevices, other]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { btrfsDevices } })
      const find = (name: string) => simulator.run(`:put [:len [/disk/btrfs/filesystem/find where ${name}=raid1]]`)
      assert.strictEqual(yield* find(btrfsDevices), "1\r\n")
      assert.include(yield* find(other), "expected end of command")
    }))

  it.effect("is unknown before RouterOS 7.18 and without the package rose-storage", () =>
    Effect.gen(function*() {
      for (const options of [{ version: "7.17.2 (stable)" }, { packages: [] }]) {
        const simulator = yield* btrfsDevice(options)
        assert.include(yield* simulator.run(":put begin; /disk/btrfs/filesystem/print"), "bad command name btrfs")
      }
    }))
})

describe("/disk/btrfs/subvolume", () => {
  it.effect("adds subvolumes, which are directories, and tells them by the last part of their path", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      assert.match(yield* simulator.run(`:put [${addSubvolume("a")}]`), /^\*[0-9A-F]+\r\n$/)
      yield* quietly(simulator, addSubvolume("a/inner"), "/file/add name=pool/vols/a/note contents=x")
      assert.deepStrictEqual(yield* paths(simulator), [
        "pool/vols",
        "pool/vols/a",
        "pool/vols/a/inner",
        "pool/vols/a/note"
      ])
      const show = (name: string) =>
        simulator.run(
          `:local r [/disk/btrfs/subvolume/get [find where name="${name}"]]; ` +
            ":put (($r->\"fullname\") . \" \" . ($r->\"top-level\") . \" \" . ($r->\"snapshot\") . \" \" . ($r->\"read-only\"))"
        )
      assert.strictEqual(yield* show("a"), "vols/a <FS_ROOT> false false\r\n")
      assert.strictEqual(yield* show("inner"), "vols/a/inner a false false\r\n")
      const json = yield* simulator.run(
        ":put [:serialize to=json options=json.no-string-conversion value=[/disk/btrfs/subvolume/print detail as-value where name=a]]"
      )
      assert.match(
        json,
        /^\[\{"\.id":"\*1","creation-time":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d","fs":"Data","fullname":"vols\/a"/
      )
    }))

  it.effect.each(
    [
      ["fs=Data name=vols", "failure: already have file with such name"],
      ["fs=Data name=vols/note", "failure: already have file with such name"],
      ["fs=Data name=nosuch/a", "failure: no such directory"],
      ["fs=Data", "failure: no such directory"],
      ["fs=pool name=vols/b", "input does not match any value of fs"],
      ["fs=Data name=vols/b parent=vols/nosuch", "input does not match any value of parent"],
      ["name=vols/b", "missing value(s) of argument(s) fs"]
    ] as const
  )("refuses %s", ([given, expected]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { missingDirectory: "create" } })
      yield* quietly(simulator, "/file/add name=pool/vols/note contents=x")
      assert.strictEqual(yield* simulator.run(`/disk/btrfs/subvolume/add ${given}`), `${expected}\r\n`)
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/find]]"), "0\r\n")
    }))

  it.effect("refuses what the pool has no room for or is not mounted for, and shows nothing of it then", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ pools: [{ ...btrfsPool, sizeBytes: 2n * gib }] })
      yield* quietly(simulator, addSubvolume("a"))
      const blocks = (yield* free(simulator)) / 4096n
      yield* quietly(simulator, `/disk/add type=file file-path=/pool/big file-size=${blocks * 4096n}`)
      assert.strictEqual(yield* simulator.run(snapshot("a", "s")), "failure: not enough space\r\n")
      yield* simulator.device.setPool("pool", { mounted: false })
      assert.strictEqual(yield* simulator.run(snapshot("a", "s")), "failure: file system is not mounted\r\n")
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/find]]"), "0\r\n")
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/filesystem/find]]"), "1\r\n")
      yield* simulator.device.setPool("pool", { mounted: true })
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/find]]"), "1\r\n")
    }))

  it.effect("makes snapshots with the files of that moment, and without those of subvolumes inside", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* quietly(
        simulator,
        addSubvolume("a"),
        addSubvolume("a/inner"),
        "/file/add name=pool/vols/a/note contents=before",
        "/file/add name=pool/vols/a/inner/note contents=x",
        "/file/add type=directory name=pool/vols/a/d",
        "/file/add name=pool/vols/a/d/e contents=y",
        snapshot("a", "s"),
        "/file/set pool/vols/a/note contents=after",
        "/file/add name=pool/vols/a/later contents=z"
      )
      const inside = (yield* paths(simulator)).filter((path) => path.startsWith("pool/vols/s"))
      assert.deepStrictEqual(inside, ["", "/d", "/d/e", "/inner", "/note"].map((path) => `pool/vols/s${path}`))
      assert.strictEqual(yield* simulator.run(":put [/file/get pool/vols/s/note contents]"), "before\r\n")
      const ids = (yield* simulator.device.files).map(({ id }) => id)
      assert.strictEqual(new Set(ids).size, ids.length)
      assert.strictEqual(
        yield* simulator.run(":put [:len [/disk/btrfs/subvolume/find where parent=a and snapshot]]"),
        "1\r\n"
      )
    }))

  it.effect("keeps a read-only subvolume as it is, and lets a snapshot of it be written", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { readOnlyImage: "allow" } })
      yield* quietly(simulator, addSubvolume("a"), addImage("a"), "/file/add name=pool/vols/a/note contents=x")
      yield* quietly(simulator, snapshot("a", "s"), snapshot("s", "b", "no"))
      yield* quietly(simulator, "/disk/add type=file slot=s file-path=/pool/vols/s/disk.img")
      const refused = [
        "/file/add name=pool/vols/s/other contents=x",
        "/file/set pool/vols/s/note contents=y",
        "/file/remove pool/vols/s/note",
        "/disk/set s file-size=2G",
        addSubvolume("s/inner")
      ]
      for (const line of refused) {
        assert.strictEqual(yield* simulator.run(line), "failure: read-only file system\r\n", line)
      }
      yield* quietly(
        simulator,
        "/file/set pool/vols/b/note contents=y",
        "/disk/add type=file slot=b file-path=/pool/vols/b/disk.img nvme-tcp-export=yes",
        "/disk/set b file-size=2G",
        "/disk/btrfs/subvolume/set s read-only=no",
        "/file/remove pool/vols/s/note"
      )
    }))

  it.effect.each(
    [
      ["fullname", "vols/a", "a"],
      ["name", "a", "vols/a"]
    ] as const
  )("takes the parent's %s, %s, and not %s", ([subvolumeParent, right, wrong]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { subvolumeParent } })
      yield* quietly(simulator, addSubvolume("a"), addSubvolume("s", `parent=${right} read-only=yes`))
      const other = yield* simulator.run(addSubvolume("t", `parent=${wrong} read-only=yes`))
      assert.strictEqual(other, "input does not match any value of parent\r\n")
    }))

  it.effect("trap: a parent given by name is refused when two subvolumes have that name", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { subvolumeParent: "name" } })
      yield* quietly(simulator, addSubvolume("a"), addSubvolume("a/a"))
      assert.include(yield* simulator.run(addSubvolume("s", "parent=a")), "ambiguous value of parent")
    }))

  it.effect.each(
    [
      ["refuse", "failure: read-only file system\r\n"],
      ["allow", ""]
    ] as const
  )("attaching a file of a read-only subvolume: %s", ([readOnlyImage, expected]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { readOnlyImage } })
      yield* quietly(simulator, addSubvolume("a"), addImage("a"), snapshot("a", "s"))
      const attach = yield* simulator.run("/disk/add type=file slot=s file-path=/pool/vols/s/disk.img")
      assert.strictEqual(attach, expected)
    }))

  it.effect("removes a subvolume with its files and not its snapshots, whose parent is then empty", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* quietly(simulator, addSubvolume("a"), "/file/add name=pool/vols/a/note contents=x", snapshot("a", "s"))
      yield* quietly(simulator, "/disk/btrfs/subvolume/remove [find where name=a]")
      assert.deepStrictEqual(yield* paths(simulator), ["pool/vols", "pool/vols/s", "pool/vols/s/note"])
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/get s parent]]"), "0\r\n")
      yield* quietly(simulator, addSubvolume("a"))
      assert.strictEqual(yield* simulator.run(":put [:len [/disk/btrfs/subvolume/get s parent]]"), "0\r\n")
      yield* quietly(simulator, "/disk/btrfs/subvolume/remove s", "/disk/btrfs/subvolume/remove [find where name=s]")
      assert.deepStrictEqual(yield* paths(simulator), ["pool/vols", "pool/vols/a"])
    }))

  it.effect("refuses to remove one with another inside, and what /file would take along", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* quietly(simulator, addSubvolume("a"), addSubvolume("a/inner"))
      assert.strictEqual(yield* simulator.run("/disk/btrfs/subvolume/remove a"), "failure: directory not empty\r\n")
      for (const path of ["pool/vols/a/inner", "pool/vols"]) {
        assert.strictEqual(yield* simulator.run(`/file/remove ${path}`), "failure: can not remove a subvolume\r\n")
      }
    }))

  it.effect.each(
    [
      ["busySubvolume", "refuse", "a", 1],
      ["busySubvolume", "remove", "a", 0],
      ["snapshottedSubvolume", "refuse", "b", 1],
      ["snapshottedSubvolume", "remove", "b", 0]
    ] as const
  )("%s: %s", ([point, choice, name, left]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ unsure: { [point]: choice } })
      yield* quietly(simulator, addSubvolume("a"), addImage("a"), addSubvolume("b"), snapshot("b", "s"))
      assert.match(yield* simulator.run(`/disk/btrfs/subvolume/remove ${name}`), left === 1 ? /^failure: / : /^$/)
      const count = yield* simulator.run(`:put [:len [/disk/btrfs/subvolume/find where name=${name}]]`)
      assert.strictEqual(count, `${left}\r\n`)
    }))

  it.effect("takes space for a snapshot's files once, as long as either is there", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      const empty = yield* free(simulator)
      const used = Effect.map(free(simulator), (now) => empty - now)
      yield* quietly(simulator, addSubvolume("a"), addImage("a"))
      assert.strictEqual(yield* used, gib)
      yield* quietly(simulator, snapshot("a", "s"), snapshot("s", "b", "no"))
      assert.strictEqual(yield* used, gib)
      yield* quietly(
        simulator,
        "/disk/add type=file slot=b file-path=/pool/vols/b/disk.img",
        "/disk/set b file-size=3G"
      )
      assert.strictEqual(yield* used, 3n * gib)
      yield* quietly(simulator, "/disk/remove a,b", "/disk/btrfs/subvolume/remove a,b")
      assert.strictEqual(yield* used, gib)
      yield* quietly(simulator, "/disk/btrfs/subvolume/remove s")
      assert.strictEqual(yield* used, 0n)
    }))
})

it.layer(NodeServices.layer)("snapshots in a state directory", (it) => {
  it.effect("hold the image's bytes, stay sparse, and survive a restart", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const stateDirectory = yield* fs.makeTempDirectoryScoped()
      const image = (name: string) => `${stateDirectory}/files/pool/vols/${name}/disk.img`
      const write = (text: string) => fs.writeFileString(image("a"), text, { flag: "r+" })
      const begin = Effect.fnUntraced(function*(name: string) {
        const buffer = new Uint8Array(5)
        yield* Effect.flatMap(fs.open(image(name), { flag: "r" }), (file) => file.read(buffer))
        return new TextDecoder().decode(buffer)
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const simulator = yield* btrfsDevice({ stateDirectory })
        yield* quietly(simulator, addSubvolume("a"), addImage("a"))
        // What a killed run left of a subvolume that is not in its configuration.
        yield* fs.makeDirectory(`${stateDirectory}/files/pool/vols/s`)
        yield* fs.writeFileString(image("s"), "stale".repeat(2000))
        yield* write("first")
        yield* quietly(simulator, snapshot("a", "s"))
        yield* write("later")
        yield* quietly(simulator, snapshot("s", "b", "no"))
      }))
      const again = yield* btrfsDevice({ stateDirectory })
      assert.strictEqual(yield* again.run(":put [/disk/btrfs/subvolume/get b parent]"), "s\r\n")
      assert.deepStrictEqual(yield* Effect.forEach(["a", "s", "b"], begin), ["later", "first", "first"])
      const { blocks, size } = yield* fs.stat(image("b"))
      assert.strictEqual(size, gib)
      assert.isBelow(Number(Option.getOrThrow(blocks)), 4096)
      yield* quietly(again, "/disk/btrfs/subvolume/remove s")
      assert.isFalse(yield* fs.exists(image("s")))
    }))

  it.effect("of a version without subvolumes is taken over", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const stateDirectory = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(
        `${stateDirectory}/state.json`,
        "{\"nextIds\":{\"disk\":2,\"file\":268435457,\"user\":1},\"identity\":\"RDS\",\"maxSessions\":20,\"pools\":[{\"id\":1," +
          "\"slot\":\"raid1\",\"mountPoint\":\"pool\",\"fs\":\"btrfs\",\"sizeBytes\":\"16000000000000\",\"state\":\"clean\"," +
          "\"mounted\":true,\"comment\":\"\"}],\"disks\":[],\"files\":[],\"users\":[]}"
      )
      const simulator = yield* Simulator.start(Simulator.config({ stateDirectory, pools: [], directories: [] }))
      yield* quietly(simulator, "/disk/btrfs/subvolume/add fs=raid1-fs name=a")
    }))
})
