import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { commands, connectToFake, GiB, holdings, path, quietly, spec, start } from "./Harness.ts"

const pool = {
  slot: "p",
  mountPoint: "storage-pool",
  sizeBytes: 100n * GiB,
  fs: "xfs",
  state: "clean",
  mounted: true
} as const

quietly("grow", (it) => {
  it.effect("sets the exact size in one exec and reads it back (trap: sizes rounded down to whole units)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a"))
      yield* simulator.resetExecs
      const grown = yield* rds.grow(volume.id, 1500n * GiB + 512n)
      assert.deepStrictEqual(grown, Option.some({ ...volume, sizeBytes: 1500n * GiB + 512n }))
      assert.strictEqual((yield* commands(simulator)).length, 1)
    }))

  it.effect("never shrinks, and leaves a volume that is large enough alone", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a", { sizeBytes: 3n * GiB }))
      const before = yield* holdings(simulator)
      for (const size of [3n * GiB, 2n * GiB, 0n]) {
        assert.deepStrictEqual(yield* rds.grow(volume.id, size), Option.some(volume))
      }
      assert.deepStrictEqual(yield* holdings(simulator), before)
    }))

  it.effect("of what does not exist answers none", () =>
    Effect.gen(function*() {
      const { rds } = yield* start()
      assert.deepStrictEqual(yield* rds.grow(spec("a").id, GiB), Option.none())
    }))

  it.effect("grows a volume in the pool that holds it, wherever that is", () =>
    Effect.gen(function*() {
      const other = { ...pool, slot: "q", mountPoint: "fast", sizeBytes: 1000n * GiB }
      const { rds } = yield* start({ pools: [pool, other], directories: ["storage-pool/metal-csi"] })
      const { id } = yield* rds.create(spec("a", { directory: path("/fast/volumes") }))
      assert.strictEqual(Option.getOrThrow(yield* rds.grow(id, 500n * GiB)).sizeBytes, 500n * GiB)
      const error = yield* Effect.flip(Effect.flatMap(rds.create(spec("b")), (b) => rds.grow(b.id, 500n * GiB)))
      assert.match(error.message, /^pool storage-pool has/)
    }))

  it.effect("refuses beyond what the pool and the reserve allow, and changes nothing", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ pools: [pool] })
      const { id } = yield* rds.create(spec("a", { sizeBytes: 40n * GiB }))
      const before = yield* holdings(simulator)
      const error = yield* Effect.flip(rds.grow(id, 120n * GiB))
      assert.strictEqual(error._tag, "PoolFull")
      assert.match(
        error.message,
        /^pool storage-pool has .* free, too little to grow volume pvc-.* by 80 GiB beside the reserve/
      )
      assert.deepStrictEqual(yield* holdings(simulator), before)
      assert.strictEqual(Option.getOrThrow(yield* rds.grow(id, 90n * GiB)).sizeBytes, 90n * GiB)
    }))

  it.effect("refuses on a pool that is not clean", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id } = yield* rds.create(spec("a"))
      yield* simulator.device.setPool("storage-pool", { state: "degraded" })
      assert.strictEqual((yield* Effect.flip(rds.grow(id, 2n * GiB)))._tag, "PoolNotReady")
    }))

  it.effect("tells RouterOS' reason when it refuses, and full when it says so", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id } = yield* rds.create(spec("a"))
      yield* simulator.faults.add("error=\"failure: file is in use\" match=/disk/set")
      const inUse = yield* Effect.flip(rds.grow(id, 2n * GiB))
      assert.strictEqual(inUse._tag, "ApplianceConflict")
      assert.match(inUse.message, /refused to grow volume pvc-\S+ from 1 GiB: failure: file is in use/)
      yield* simulator.faults.add("error=\"failure: not enough space\" match=/disk/set")
      assert.strictEqual((yield* Effect.flip(rds.grow(id, 2n * GiB)))._tag, "PoolFull")
    }))

  it.effect("an error when the size stays as it was although RouterOS did not complain", () =>
    Effect.gen(function*() {
      const { id } = spec("a")
      const row = {
        slot: "s",
        type: "file",
        size: 1073741824,
        "file-path": "/p/x.img",
        "nvme-tcp-server-nqn": `nqn.2000-02.com.mikrotik:${id}`
      }
      const pools = [{ "mount-point": "p", mounted: true, size: 10_000_000_000_000, free: 9_000_000_000_000 }]
      const rds = yield* connectToFake(`disks ${JSON.stringify([row])}\r\npools ${JSON.stringify(pools)}\r\n`)
      const error = yield* Effect.flip(rds.grow(id, 2n * GiB))
      assert.strictEqual(error._tag, "ApplianceRefused")
      assert.match(error.message, /refused to grow volume pvc-\S+ from 1 GiB: it gave no reason/)
    }))
})
