import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Simulator } from "../../../src/simulator/Simulator.ts"
import { defaultPool, type SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"
import { addDisk } from "../support/Device.ts"

const gib = 1n << 30n

const device = (options: SimulatorOptions = {}) => Simulator.start(Simulator.config(options))

const json = (where: string) =>
  `:put [:serialize to=json options=json.no-string-conversion value=[/disk/print detail as-value where ${where}]]`

describe("/disk/add type=file", () => {
  it.effect("makes an image that takes all of its space at once, and exports it", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      const [before] = yield* simulator.device.pools
      assert.match(yield* simulator.run(`:put [${addDisk("x")}]`), /^\*[0-9A-F]+\r\n$/)
      const [after] = yield* simulator.device.pools
      assert.strictEqual((before?.freeBytes ?? 0n) - (after?.freeBytes ?? 0n), gib)
      const [disk] = yield* simulator.device.disks
      assert.deepInclude(disk, {
        slot: "x",
        filePath: "/storage-pool/metal-csi/x.img",
        fileSize: gib,
        exported: true,
        port: 4420,
        nqn: "nqn.2000-02.com.mikrotik:x"
      })
    }))

  it.effect("trap: mounts the file system inside the image unless told not to", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      yield* simulator.run(addDisk("y", "mount-filesystem=no"))
      const disks = yield* simulator.device.disks
      assert.deepStrictEqual(disks.map((disk) => disk.mountFilesystem), [true, false])
    }))

  it.effect("reads sizes as bytes or with binary suffixes", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      for (const [index, size] of ["1610612737", "3K", "2M", "1G", "2T"].entries()) {
        yield* simulator.run(`/disk/add type=file slot=d${index} file-path=/storage-pool/d${index} file-size=${size}`)
      }
      const disks = yield* simulator.device.disks
      assert.deepStrictEqual(disks.map((disk) => disk.fileSize), [1610612737n, 3072n, 2n << 20n, gib, 2048n * gib])
    }))

  it.effect("names the slot after the path when none is given", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run("/disk/add type=file file-path=storage-pool/metal-csi/x.img file-size=1G")
      const [disk] = yield* simulator.device.disks
      assert.strictEqual(disk?.slot, "file-storage-pool-metal-csi-x.img".slice(0, 32))
      assert.strictEqual(disk?.filePath, "/storage-pool/metal-csi/x.img")
    }))

  it.effect.each<readonly [string, SimulatorOptions, string]>([
    ["7.24", {}, "a".repeat(32)],
    ["7.23", { version: "7.23.4 (stable)" }, "a".repeat(40)],
    ["7.24 read otherwise", { unsure: { longSlot: "keep" } }, "a".repeat(40)]
  ])("trap: keeps or silently cuts a slot of 40 characters: %s", ([_, options, slot]) =>
    Effect.gen(function*() {
      const simulator = yield* device(options)
      yield* simulator.run(`/disk/add type=file slot=${"a".repeat(40)} file-path=/storage-pool/x file-size=1G`)
      const [disk] = yield* simulator.device.disks
      assert.strictEqual(disk?.slot, slot)
    }))

  it.effect.each<readonly [string, string, SimulatorOptions, string]>([
    ["a slot in use", addDisk("old"), {}, "failure: already have disk with such slot"],
    [
      "a pool's slot",
      "/disk/add type=file slot=storage-pool file-path=/storage-pool/x file-size=1G",
      {},
      "failure: already have disk"
    ],
    [
      "a file that is an item's",
      "/disk/add type=file slot=y file-path=storage-pool/metal-csi/old.img",
      {},
      "failure: already have disk with such file-path"
    ],
    [
      "a file that exists, with a size",
      "/disk/add type=file slot=y file-path=/storage-pool/metal-csi/left.img file-size=1G",
      {},
      "failure: already have file with such name"
    ],
    [
      "more than is free",
      "/disk/add type=file slot=y file-path=/storage-pool/y file-size=17T",
      {},
      "failure: not enough space"
    ],
    [
      "a missing directory",
      "/disk/add type=file slot=y file-path=/storage-pool/no/y file-size=1G",
      {},
      "failure: no such directory"
    ],
    [
      "a path outside all pools",
      "/disk/add type=file slot=y file-path=/nowhere/y file-size=1G",
      {},
      "failure: no such directory"
    ],
    ["a path with ..", "/disk/add type=file slot=y file-path=/storage-pool/../y file-size=1G", {}, "failure: "],
    [
      "a missing file without size",
      "/disk/add type=file slot=y file-path=/storage-pool/y",
      {},
      "failure: no such file"
    ],
    ["no file-path", "/disk/add type=file slot=y file-size=1G", {}, "failure: file-path"],
    [
      "compress outside btrfs",
      "/disk/add type=file slot=y file-path=/storage-pool/y file-size=1G compress=yes",
      {},
      "compression only available for btrfs"
    ]
  ])("fails, with nothing done, on %s", ([_, line, options, text]) =>
    Effect.gen(function*() {
      const simulator = yield* device(options)
      yield* simulator.run(addDisk("old"))
      yield* simulator.run(addDisk("left"))
      yield* simulator.run("/disk/remove left")
      const before = [yield* simulator.device.disks, yield* simulator.device.files]
      const output = yield* simulator.run(line)
      assert.isTrue(output.startsWith(text), output)
      assert.deepStrictEqual([yield* simulator.device.disks, yield* simulator.device.files], before)
    }))

  it.effect("fails on a pool that is not mounted, whose files are out of sight", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      yield* simulator.device.setPool("storage-pool", { mounted: false })
      assert.include(yield* simulator.run(addDisk("y")), "failure: storage-pool is not mounted")
      assert.strictEqual(yield* simulator.run(":put [:len [/file/find]]"), "0\r\n")
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("attaches an image that exists when no size is given, as it is", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      yield* simulator.run("/disk/remove x")
      yield* simulator.run("/disk/add type=file slot=y file-path=/storage-pool/metal-csi/x.img")
      const [disk] = yield* simulator.device.disks
      assert.deepInclude(disk, { slot: "y", fileSize: gib })
    }))

  it.effect("trap: copy-from copies settings, not data", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x", "comment=mine mount-filesystem=no"))
      yield* simulator.run(
        "/disk/add type=file copy-from=x slot=y file-path=/storage-pool/y nvme-tcp-export=no nvme-tcp-server-nqn=nqn.y"
      )
      const [, copy] = yield* simulator.device.disks
      assert.deepInclude(copy, { slot: "y", comment: "mine", mountFilesystem: false, fileSize: gib, exported: false })
      const files = yield* simulator.device.files
      assert.strictEqual(files.find((file) => file.path === "storage-pool/y")?.contents, "")
    }))

  it.effect.each<readonly ["leave" | "undo", ReadonlyArray<string>, ReadonlyArray<boolean>]>([
    ["leave", ["old", "new"], [true, false]],
    ["undo", ["old"], [true]]
  ])(
    "a second export with an NQN in use fails; what it leaves: %s",
    ([failedExport, slots, exported]) =>
      Effect.gen(function*() {
        const simulator = yield* device({ unsure: { failedExport } })
        yield* simulator.run(addDisk("old"))
        const line = "/disk/add type=file slot=new file-path=/storage-pool/new.img file-size=1G nvme-tcp-export=yes"
        const output = yield* simulator.run(`${line} nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:old`)
        assert.include(output, "failure: already have nvme-tcp export with such nqn")
        const disks = yield* simulator.device.disks
        assert.deepStrictEqual(disks.map((disk) => disk.slot), [...slots])
        assert.deepStrictEqual(disks.map((disk) => disk.exported), [...exported])
        assert.strictEqual(
          (yield* simulator.device.files).some(({ path }) => path.endsWith("new.img")),
          slots.length === 2
        )
      })
  )

  it.effect.each<[readings: SimulatorOptions, given: string, hosts: ReadonlyArray<string>]>([
    [{}, "", []],
    [{}, "nqn.a", ["nqn.a"]],
    [{}, "nqn.a,nqn.b", ["nqn.a,nqn.b"]],
    [{ unsure: { allowHostNames: "list" } }, "nqn.a,nqn.b", ["nqn.a", "nqn.b"]]
  ])("%j: the hosts that are let in of \"%s\" are %j", ([readings, given, hosts]) =>
    Effect.gen(function*() {
      const simulator = yield* device(readings)
      yield* simulator.run(addDisk("x", `nvme-tcp-server-allow-host-name="${given}"`))
      const [exported] = yield* simulator.device.exports
      assert.deepStrictEqual(exported?.allowedHosts, hosts)
    }))

  it.effect("exports under the default NQN, which follows the slot", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run("/disk/add type=file slot=y file-path=/storage-pool/y file-size=1G nvme-tcp-export=yes")
      assert.strictEqual(
        yield* simulator.run(":put [/disk/get y nvme-tcp-server-nqn]"),
        "nqn.2000-02.com.mikrotik:y\r\n"
      )
    }))
})

describe("properties that a device lacks are parse errors, before anything runs", () => {
  it.effect.each<readonly [string, SimulatorOptions, string]>([
    ["nvme-tcp-server-nqn before 7.21", { version: "7.20.8 (long-term)" }, addDisk("x")],
    ["nvme-tcp-export without rose-storage", { packages: [] }, addDisk("x")],
    ["type=file before 7.17", { version: "7.16.2 (stable)" }, "/disk/add type=file slot=x"]
  ])("%s", ([_, options, line]) =>
    Effect.gen(function*() {
      const simulator = yield* device(options)
      const output = yield* simulator.run(`:put before; ${line}`)
      assert.notInclude(output, "before")
      assert.match(output, /line 1 column|input does not match any value of type/)
      assert.deepStrictEqual(yield* simulator.device.disks, [])
    }))
})

describe("/disk/set", () => {
  it.effect("grows an image to the byte, takes the space, and never shrinks it", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      const [before] = yield* simulator.device.pools
      assert.strictEqual(yield* simulator.run(`/disk/set [find slot=x] file-size=${3n * gib}`), "")
      const [after] = yield* simulator.device.pools
      assert.strictEqual((before?.freeBytes ?? 0n) - (after?.freeBytes ?? 0n), 2n * gib)
      assert.include(yield* simulator.run("/disk/set x file-size=1G"), "failure: ")
      assert.include(yield* simulator.run("/disk/set x file-size=17T"), "failure: not enough space")
      const [disk] = yield* simulator.device.disks
      assert.strictEqual(disk?.fileSize, 3n * gib)
    }))

  it.effect("says no such item for one that is not there, and nothing for an empty find", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      assert.include(yield* simulator.run("/disk/set nope comment=x"), "no such item")
      assert.strictEqual(yield* simulator.run("/disk/set [find slot=nope] comment=x"), "")
    }))
})

describe("/disk/remove", () => {
  it.effect("trap: leaves the image, and its space taken", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      const [before] = yield* simulator.device.pools
      yield* simulator.run(addDisk("x"))
      yield* simulator.run("/disk/remove [find slot=x]")
      assert.deepStrictEqual(yield* simulator.device.disks, [])
      const [after] = yield* simulator.device.pools
      assert.strictEqual((before?.freeBytes ?? 0n) - (after?.freeBytes ?? 0n), gib)
      assert.strictEqual(
        yield* simulator.run(":put [:len [/file/find name=\"storage-pool/metal-csi/x.img\"]]"),
        "1\r\n"
      )
    }))

  it.effect("trap: a find that matches nothing removes nothing, without a word", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(addDisk("x"))
      assert.strictEqual(yield* simulator.run("/disk/remove [find slot=\"y\"]"), "")
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("refuses a pool", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      assert.include(yield* simulator.run("/disk/remove storage-pool"), "stop using it first")
      assert.strictEqual((yield* simulator.device.pools).length, 1)
    }))
})

describe("as-value rows of file disks", () => {
  it.effect("trap: lack one of the two sizes, another one on every second row", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      for (const name of ["a", "b", "c", "d"]) yield* simulator.run(addDisk(name))
      const rows: unknown = JSON.parse(yield* simulator.run(json("type=file")))
      assert.isArray(rows)
      const sizes = (Array.isArray(rows) ? rows : []).map((row: object) => ["size" in row, "file-size" in row])
      assert.sameDeepMembers(sizes, [[true, false], [false, true], [true, false], [false, true]])
    }))

  it.effect("can have sizes as text, as people read them", () =>
    Effect.gen(function*() {
      const simulator = yield* device({ unsure: { asValueGaps: "none", asValueSizes: "text" } })
      yield* simulator.run(addDisk("a"))
      const rows: unknown = JSON.parse(yield* simulator.run(json("slot=a")))
      assert.deepInclude(Array.isArray(rows) ? rows[0] : {}, { size: "1 073 741 824", "file-size": "1024.0MiB" })
    }))
})

it.effect("/disk/print detail shows paths with their slash, sizes spaced and rounded, flags as letters", () =>
  Effect.gen(function*() {
    const simulator = yield* device({ pools: [{ ...defaultPool, sizeBytes: 16_003_143_565_312n }] })
    yield* simulator.run("/disk/add type=file slot=x file-path=storage-pool/x.img file-size=1T nvme-tcp-export=yes")
    const output = yield* simulator.run("/disk/print detail where slot=x")
    assert.match(output, /^Flags: B - BLOCK-DEVICE; t - NVME-TCP-EXPORT\r\n/)
    assert.include(output, "size=1 099 511 627 776")
    assert.include(output, "file-size=1024.0GiB")
    assert.include(output.replace(/\r\n +/g, ""), "file-path=/storage-pool/x.img")
    assert.include(output, "nvme-tcp-export=yes")
  }))

it.effect("/disk/monitor-traffic x once shows totals as people read them, and as values", () =>
  Effect.gen(function*() {
    const simulator = yield* device()
    yield* simulator.run(addDisk("x"))
    const text = yield* simulator.run("/disk/monitor-traffic x once")
    assert.match(text, /^ +read-ops: 0\r$/m)
    assert.match(text, /^ +read-rate: 0bps\r$/m)
    const value = yield* simulator.run(":put ([/disk/monitor-traffic x once as-value]->0->\"read-bytes\")")
    assert.strictEqual(value, "0\r\n")
  }))
