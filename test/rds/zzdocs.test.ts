import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { commands, quietly, spec, start } from "./Harness.ts"

quietly("create", (it) => {
  it.effect("finishes what a cut left half made", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* simulator.faults.add("cut=during match=/disk/add")
      const volume = yield* rds.create(spec("pvc-6f1c2f4e-5f0b-4b64-9a38-0d9c2ad3f6b1"))
      const disks = yield* simulator.device.disks
      assert.deepStrictEqual(disks.map(({ exported, slot }) => ({ exported, slot })), [
        { exported: true, slot: volume.slot }
      ])
      assert.isAbove((yield* commands(simulator)).length, 1)
    }))
})
