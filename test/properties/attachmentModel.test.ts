import { assert, it } from "@effect/vitest"
import { play, scenarios, told } from "../attachment/simulation/Scenario.ts"

const runs = Number(process.env["RDS_CSI_MODEL_RUNS"] ?? 2_000)

it.prop(
  "whatever happens in which order: no two writers, no holder lost, one end for each migration",
  [scenarios],
  ([scenario]) => {
    const violations = play(scenario)
    assert.isEmpty(violations, `${violations.join("\n")}\n${told(scenario)}`)
  },
  { timeout: 20 * runs + 20_000, arbitrary: { runs } }
)
