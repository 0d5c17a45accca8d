import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { base, commands, holdings, path, quietly, spec, start } from "./Harness.ts"

quietly("switchExport", (it) => {
  it.effect("switches off and on again, in one exec, and answers the volume", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const seen = yield* rds.create(spec("a"))
      yield* simulator.resetExecs
      const off = { ...seen, exported: false }
      assert.deepStrictEqual(yield* rds.switchExport(seen, false), Option.some(off))
      assert.lengthOf(yield* commands(simulator), 1)
      assert.deepStrictEqual(yield* rds.get(seen.id), Option.some(off))
      assert.deepStrictEqual(yield* rds.switchExport(seen, false), Option.some(off), "again")
      assert.deepStrictEqual(yield* rds.switchExport(off, true), Option.some(seen))
    }))

  it.effect("leaves alone what is not exactly what was seen", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const seen = yield* rds.create(spec("a"))
      const before = yield* holdings(simulator)
      for (
        const other of [
          { ...seen, slot: `${seen.slot}x` },
          { ...seen, comment: `${seen.comment} keep` },
          { ...seen, path: path(`${base}/other.img`) },
          { ...seen, id: spec("b").id }
        ]
      ) {
        assert.deepStrictEqual(yield* rds.switchExport(other, false), Option.none())
        assert.deepStrictEqual(yield* holdings(simulator), before)
      }
    }))

  it.effect("a lost answer is asked for again", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const seen = yield* rds.create(spec("a"))
      yield* simulator.faults.add("cut=after match=nvme-tcp-export=no count=1")
      assert.deepStrictEqual(yield* rds.switchExport(seen, false), Option.some({ ...seen, exported: false }))
    }))

  it.effect("says so when RouterOS refuses", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const seen = yield* rds.create(spec("a"))
      yield* simulator.faults.add("error=\"failure: busy\" match=nvme-tcp-export=no")
      const { message } = yield* Effect.flip(rds.switchExport(seen, false))
      assert.include(message, `the appliance refused to switch the export of volume ${seen.id} off: failure: busy`)
    }))
})

quietly("leftovers", (it) => {
  it.effect("are files named like a volume's image that no disk uses, and nothing else (trap: paths with and without slash)", () =>
    Effect.gen(function*() {
      const directories = ["storage-pool/metal-csi", "storage-pool/metal-csi/team", "storage-pool/metal-csi2"]
      const { rds, simulator } = yield* start({ directories })
      const used = yield* rds.create(spec("used"))
      const left = yield* rds.create(spec("left"))
      const nested = yield* rds.create(spec("nested", { directory: path(`${base}/team`) }))
      const unslashed = spec("unslashed")
      yield* simulator.run(
        `/disk add type=file slot=plain file-path=storage-pool/metal-csi/${unslashed.id}.img file-size=1G mount-filesystem=no`
      )
      for (const { slot } of [left, nested]) yield* simulator.run(`/disk remove ${slot}`)
      for (
        const name of [
          "metal-csi/snap-00000000-0000-4000-8000-000000000001-at-0123456789.img",
          "metal-csi/data.img",
          `metal-csi/${used.id}.img.old`,
          `metal-csi/x${left.id}.img`,
          `metal-csi2/${left.id}.img`,
          `metal-csi/${left.id}.path`
        ]
      ) {
        yield* simulator.run(`/file add name="storage-pool/${name}" contents=x`)
      }
      yield* simulator.resetExecs
      assert.deepStrictEqual(
        yield* rds.leftovers,
        [
          { id: left.id, path: left.path, sizeBytes: left.sizeBytes },
          { id: nested.id, path: nested.path, sizeBytes: nested.sizeBytes }
        ].sort((a, b) => a.path < b.path ? -1 : 1)
      )
      assert.lengthOf(yield* commands(simulator), 1)
    }))
})
