import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Nqn } from "../../src/volume/Nqn.ts"
import { commands, connectToFake, GiB, holdings, quietly, spec, start } from "./Harness.ts"

const [a, b] = [Nqn.host("node-a"), Nqn.host("node-b")]

const started = (newVolumesLetIn: "any" | "nobody") =>
  Effect.gen(function*() {
    const { rds, simulator } = yield* start({}, { rds: { newVolumesLetIn } })
    const volume = yield* rds.create(spec("first"))
    yield* simulator.resetExecs
    const allowed = Effect.map(simulator.device.disks, ([disk]) => disk?.allowHostName)
    return { rds, simulator, volume, allowed }
  })

quietly("hosts that may connect", (it) => {
  it.effect("to a new volume are all, or nobody", () =>
    Effect.gen(function*() {
      const open = yield* started("any")
      assert.deepStrictEqual([open.volume.allowedHosts, yield* open.allowed], [Option.none(), ""])
      const shut = yield* started("nobody")
      assert.deepStrictEqual(shut.volume.allowedHosts, Option.some([]))
      assert.strictEqual(yield* shut.allowed, Nqn.nobody)
    }))

  it.effect("are set and read back in one exec", () =>
    Effect.gen(function*() {
      const { allowed, rds, simulator, volume: { id } } = yield* started("nobody")
      yield* rds.limitHosts(id, { hosts: [a, b], whenOpen: "leave" })
      assert.strictEqual(yield* allowed, `${a},${b}`)
      assert.strictEqual((yield* commands(simulator)).length, 1)
      assert.deepStrictEqual(Option.getOrThrow(yield* rds.get(id)).allowedHosts, Option.some([a, b]))
      yield* rds.limitHosts(id, { hosts: [], whenOpen: "leave" })
      assert.strictEqual(yield* allowed, Nqn.nobody)
    }))

  it.effect("of an open volume stay all, unless it is to be limited", () =>
    Effect.gen(function*() {
      const { allowed, rds, simulator, volume: { id } } = yield* started("any")
      const before = yield* holdings(simulator)
      yield* rds.limitHosts(id, { hosts: [a], whenOpen: "leave" })
      assert.deepStrictEqual(yield* holdings(simulator), before)
      yield* rds.limitHosts(id, { hosts: [a], whenOpen: "limit" })
      assert.strictEqual(yield* allowed, a)
    }))

  it.effect("can be set again, and for a volume that does not exist", () =>
    Effect.gen(function*() {
      const { allowed, rds, simulator, volume: { id } } = yield* started("nobody")
      yield* simulator.faults.add("cut=after match=/disk/set")
      yield* rds.limitHosts(id, { hosts: [a], whenOpen: "limit" })
      yield* rds.limitHosts(id, { hosts: [a], whenOpen: "limit" })
      assert.strictEqual(yield* allowed, a)
      yield* rds.limitHosts(spec("other").id, { hosts: [a], whenOpen: "limit" })
      assert.lengthOf(yield* simulator.device.disks, 1)
    }))

  it.effect("are reported as not set when the appliance refuses", () =>
    Effect.gen(function*() {
      const { allowed, rds, simulator, volume: { id } } = yield* started("nobody")
      yield* simulator.faults.add("error=\"failure: not now\" match=/disk/set")
      const error = yield* Effect.flip(rds.limitHosts(id, { hosts: [a], whenOpen: "limit" }))
      assert.strictEqual(error._tag, "ApplianceRefused")
      assert.strictEqual(yield* allowed, Nqn.nobody)
    }))

  it.effect("are reported as not kept when the appliance reads back something else", () =>
    Effect.gen(function*() {
      const { id } = spec("first")
      const row = {
        type: "file",
        slot: "pvc-x",
        size: Number(GiB),
        "file-path": `/storage-pool/metal-csi/${id}.img`,
        "nvme-tcp-server-nqn": Nqn.ofVolume(id)
      }
      for (const shown of [{}, { "nvme-tcp-server-allow-host-name": b }]) {
        const rds = yield* connectToFake(`disks ${JSON.stringify([{ ...row, ...shown }])}\r\n`)
        const error = yield* Effect.flip(rds.limitHosts(id, { hosts: [a], whenOpen: "limit" }))
        assert.strictEqual(error._tag, "ApplianceUnsupported")
        assert.include(error.message, "does not keep which hosts may connect")
      }
    }))
})
