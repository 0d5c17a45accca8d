import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { commands, connectToFake, GiB, path, quietly, spec, start, volumeId } from "./Harness.ts"

const add = (slot: string, file: string, more = "") =>
  `/disk add type=file slot="${slot}" file-path="${file}" file-size=1G mount-filesystem=no ${more}`
const exported = (nqn: string) => `nvme-tcp-export=yes nvme-tcp-server-nqn=${nqn}`
const prefix = "nqn.2000-02.com.mikrotik:"

quietly("get", (it) => {
  it.effect("answers the volume, or none, in one exec", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a"))
      yield* simulator.resetExecs
      assert.deepStrictEqual(yield* rds.get(volume.id), Option.some(volume))
      assert.strictEqual((yield* commands(simulator)).length, 1)
      assert.deepStrictEqual(yield* rds.get(spec("b").id), Option.none())
    }))

  it.effect("100 at once take at most 5 execs, and each gets its own answer", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const names = Array.from({ length: 100 }, (_, i) => `v${i}`)
      const even = names.filter((_, i) => i % 2 === 0)
      yield* Effect.forEach(even, (name) => rds.create(spec(name)), { concurrency: 8 })
      yield* simulator.resetExecs
      const found = yield* Effect.forEach(names, (name) => rds.get(spec(name).id), { concurrency: "unbounded" })
      assert.isAtMost((yield* simulator.execs).length, 5)
      found.forEach((volume, i) => {
        assert.deepStrictEqual(
          Option.map(volume, ({ id }) => id),
          i % 2 === 0 ? Option.some(spec(`v${i}`).id) : Option.none()
        )
      })
    }))

  it.effect("calls that come while others are on their way are answered together", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ latency: { fixed: "20 millis", jitter: 0 } })
      const volume = yield* rds.create(spec("a"))
      yield* simulator.resetExecs
      const found = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, i) => i),
        (i) => Effect.delay(rds.get(volume.id), i / 10),
        { concurrency: "unbounded" }
      )
      assert.isTrue(found.every(Option.isSome))
      assert.isAtMost((yield* commands(simulator)).length, 5)
    }))

  it.effect("a batch answers loose ids as well, and a conflict is that volume's alone", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ unsure: { duplicateNqn: "allow" } })
      const loose = volumeId("Sanity-1")
      const disputed = spec("disputed").id
      yield* simulator.run(add("Sanity-1", "/storage-pool/metal-csi/Sanity-1.img", exported(`${prefix}sanity-1`)))
      yield* simulator.run(add("x", "/storage-pool/x.img", exported(prefix + disputed)))
      yield* simulator.run(add("y", "/storage-pool/y.img", exported(prefix + disputed)))
      const others = Array.from({ length: 20 }, (_, i) => spec(`none${i}`).id)
      const answers = yield* Effect.forEach([loose, disputed, ...others], (id) => Effect.result(rds.get(id)), {
        concurrency: "unbounded"
      })
      assert.deepInclude(answers[0], { _tag: "Success" })
      assert.deepInclude(answers[1], { _tag: "Failure" })
      assert.isTrue(answers.slice(2).every((answer) => answer._tag === "Success" && Option.isNone(answer.success)))
      assert.strictEqual(Option.getOrThrow(yield* rds.get(loose)).slot, "Sanity-1")
    }))

  it.effect("of two items with its NQN prefers the one that has its slot", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ unsure: { duplicateNqn: "allow" } })
      const volume = yield* rds.create(spec("a"))
      yield* simulator.run(add("copy", "/storage-pool/copy.img", exported(volume.nqn)))
      assert.deepStrictEqual(yield* rds.get(volume.id), Option.some(volume))
    }))

  it.effect("shows a volume that is not exported as such", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a"))
      yield* simulator.run(`/disk set ${volume.slot} nvme-tcp-export=no`)
      assert.deepStrictEqual(yield* rds.get(volume.id), Option.some({ ...volume, exported: false }))
    }))

  it.effect("an error of the appliance reaches every caller", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* simulator.faults.add("error=\"failure: disk menu is busy\"")
      yield* simulator.faults.add("answer=\"bad command name disk (line 1 column 2)\"")
      const errors = yield* Effect.forEach(["a", "b"], (name) => Effect.flip(rds.get(spec(name).id)), {
        concurrency: 2
      })
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["ApplianceUnsupported", "ApplianceUnsupported"])
    }))
})

quietly("an answer that cannot be right", (it) => {
  const { id } = spec("a")
  const complete = {
    slot: "s",
    type: "file",
    size: 1,
    "file-path": "/p/x.img",
    "nvme-tcp-server-nqn": prefix + id
  }
  for (
    const [name, change, expected] of [
      ["a volume without size", { size: null }, /does not tell the size of volume pvc-\S+ \(the disk "s"\)/],
      ["a volume without slot", { slot: null }, /does not tell the slot of volume pvc-/],
      ["a volume without file", { "file-path": "" }, /does not tell the file path of volume pvc-/],
      ["a size that is none", { size: "big" }, /answered in a form that this driver does not understand/]
    ] as const
  ) {
    it.effect(`${name} is an error in get and in list (trap: an error read as zero or as absent)`, () =>
      Effect.gen(function*() {
        const rds = yield* connectToFake(`disks ${JSON.stringify([{ ...complete, ...change }])}\r\n`)
        for (const error of [yield* Effect.flip(rds.get(id)), yield* Effect.flip(rds.list)]) {
          assert.strictEqual(error._tag, "ApplianceUnsupported")
          assert.match(error.message, expected)
        }
      }))
  }

  it.effect("no list at all is an error, not an empty list", () =>
    Effect.gen(function*() {
      for (const prints of ["", "disks \r\n", "disks {}\r\n", "disks [{]\r\n"]) {
        const rds = yield* connectToFake(prints)
        assert.strictEqual((yield* Effect.flip(rds.list))._tag, "ApplianceUnsupported", prints)
      }
    }))
})

quietly("list", (it) => {
  it.effect("answers every volume sorted by id, in one exec", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const names = Array.from({ length: 30 }, (_, i) => `v${i}`)
      const made = yield* Effect.forEach(names, (name) => rds.create(spec(name)), { concurrency: 4 })
      yield* simulator.resetExecs
      assert.deepStrictEqual(yield* rds.list, made.sort((a, b) => a.id < b.id ? -1 : 1))
      assert.strictEqual((yield* commands(simulator)).length, 1)
    }))

  it.effect("is empty on an empty appliance", () =>
    Effect.gen(function*() {
      const { rds } = yield* start()
      assert.deepStrictEqual(yield* rds.list, [])
    }))

  it.effect("leaves out what is not a volume (trap: an unanchored regex catches foreign slots)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ unsure: { longSlot: "keep" } })
      const volume = yield* rds.create(spec("a"))
      const { id } = spec("b")
      yield* simulator.run(add("vm-pvc-storage", "/storage-pool/vm.img", exported(`${prefix}vm-pvc-storage`)))
      yield* simulator.run(add("pvc-not-a-uuid", "/storage-pool/n.img", exported(`${prefix}pvc-not-a-uuid`)))
      yield* simulator.run(add(`snap-${id.slice(4)}-at-0123456789`, "/storage-pool/metal-csi/s.img"))
      yield* simulator.run(add("other", "/storage-pool/o.img", exported(`nqn.2014-08.org.nvmexpress:${prefix}${id}`)))
      assert.deepStrictEqual(yield* rds.list, [volume])
    }))

  it.effect("has volumes of the Go driver, also where RouterOS has cut their slot, and not exported ones", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ unsure: { longSlot: "cut" } })
      const ids = [spec("a").id, spec("b").id].sort()
      for (const id of ids) {
        yield* simulator.run(add(id, `/storage-pool/metal-csi/${id}.img`, exported(prefix + id)))
      }
      yield* simulator.run(`/disk set [find nvme-tcp-server-nqn="${prefix}${ids[0]}"] nvme-tcp-export=no`)
      const listed = yield* rds.list
      assert.deepStrictEqual(listed.map((volume) => [volume.id, volume.exported]), [[ids[0], false], [ids[1], true]])
    }))

  it.effect("is complete or an error: a cut answer is never a shorter list (trap: partial ListVolumes)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* Effect.forEach(["a", "b"], (name) => rds.create(spec(name)))
      yield* simulator.faults.add("answer=\"disks []\" match=/disk/print count=all")
      assert.deepInclude(yield* Effect.flip(rds.list), { _tag: "ApplianceUnavailable", reason: "lost" })
      yield* simulator.faults.clear
      assert.strictEqual((yield* rds.list).length, 2)
    }))
})

quietly("capacity", (it) => {
  it.effect("is what the pool that holds the path has free, less the reserve", () =>
    Effect.gen(function*() {
      const pool = {
        slot: "p",
        mountPoint: "storage-pool",
        sizeBytes: 100n * GiB,
        fs: "xfs",
        state: "clean",
        mounted: true
      } as const
      const nested = { ...pool, slot: "q", mountPoint: "storage-pool/fast", sizeBytes: 50n * GiB }
      const { rds, simulator } = yield* start({ pools: [pool, nested], directories: ["storage-pool/metal-csi"] })
      const free = Effect.map(simulator.device.pools, (pools) => pools.map(({ freeBytes }) => freeBytes))
      const [outer = 0n, inner = 0n] = yield* free
      assert.deepStrictEqual(yield* rds.capacity(path("/storage-pool/metal-csi/x")), {
        mountPoint: "storage-pool",
        sizeBytes: 100n * GiB,
        freeBytes: outer - GiB
      })
      assert.strictEqual((yield* rds.capacity(path("/storage-pool/fast"))).freeBytes, inner - GiB)
      assert.strictEqual((yield* rds.capacity(path("/storage-pool/faster"))).mountPoint, "storage-pool")
      assert.strictEqual((yield* rds.capacity(path("/storage-pool"))).mountPoint, "storage-pool")
    }))

  it.effect("is never negative", () =>
    Effect.gen(function*() {
      const { rds } = yield* start({}, { rds: { reserveBytes: 1n << 60n } })
      assert.strictEqual((yield* rds.capacity(path("/storage-pool"))).freeBytes, 0n)
    }))

  it.effect("is an error where no pool is mounted or the pool is not clean, not zero", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      assert.strictEqual((yield* Effect.flip(rds.capacity(path("/elsewhere"))))._tag, "PoolNotReady")
      yield* simulator.device.setPool("storage-pool", { state: "degraded" })
      assert.strictEqual((yield* Effect.flip(rds.capacity(path("/storage-pool"))))._tag, "PoolNotReady")
    }))
})
