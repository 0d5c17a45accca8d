import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { csiPolicies } from "../../src/simulator/SimulatorConfig.ts"
import { type Unsure, unsurePoints } from "../../src/simulator/Unsure.ts"
import { base, GiB, holdings, path, quietly, spec, start } from "./Harness.ts"

// What RouterOS does at these points nobody has seen: the driver must be right whichever way it is. The other tests run
// with the harder reading of each.
const readings: ReadonlyArray<Partial<Unsure>> = [
  { longSlot: "keep" },
  { existingFile: "keep" },
  { missingDirectory: "create" },
  { busyFile: "remove" },
  { duplicateNqn: "allow" },
  { failedExport: "undo" },
  { parallelChannels: "serve" },
  { lostConnection: "stop" },
  { longLine: "keep" },
  { fileWrite: "ftp" },
  ...(["number", "text"] as const).flatMap((asValueSizes) =>
    unsurePoints.asValueGaps.values.map((asValueGaps) => ({ asValueSizes, asValueGaps }))
  )
]

quietly("a volume's whole life, whichever way RouterOS is", (it) => {
  for (const unsure of readings) {
    it.effect(JSON.stringify(unsure), () =>
      Effect.gen(function*() {
        const { rds, simulator } = yield* start({
          unsure,
          policies: [...csiPolicies, "ftp"],
          directories: ["storage-pool/metal-csi", "storage-pool/metal-csi/b"]
        })
        const empty = yield* holdings(simulator)
        for (const directory of [base, path(`${base}/b`)]) {
          const { id } = spec("a")
          const made = yield* rds.create(spec("a", { directory }))
          assert.deepInclude(made, { sizeBytes: GiB, exported: true })
          assert.deepStrictEqual(yield* rds.create(spec("a", { directory })), made)
          const grown = Option.some({ ...made, sizeBytes: 3n * GiB })
          assert.deepStrictEqual(yield* rds.grow(id, 3n * GiB), grown)
          assert.deepStrictEqual(yield* rds.get(id), grown)
          assert.deepStrictEqual(yield* rds.list, Option.toArray(grown))
          yield* rds.remove(id)
          assert.deepStrictEqual(yield* holdings(simulator), empty)
        }
      }))
  }
})
