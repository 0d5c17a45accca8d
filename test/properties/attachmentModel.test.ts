import { assert, it } from "@effect/vitest"
import { play, scenarios, told } from "../attachment/simulation/Scenario.ts"

/** How many scenarios are played; CI plays more than a developer waits for. */
const runs = Number(process.env["RDS_CSI_MODEL_RUNS"] ?? 2_000)
/** What a failure printed after `Replay:`; plays that one again. */
const replay = process.env["RDS_CSI_MODEL_REPLAY"]

it.prop(
  "whatever happens in which order: no two writers, no holder lost, one end for each migration",
  [scenarios],
  ([scenario]) => {
    const violations = play(scenario)
    assert.isEmpty(violations, `${violations.join("\n")}\n${told(scenario)}`)
  },
  { arbitrary: replay === undefined ? { runs, size: 100 } : { replay }, timeout: 20_000 + 60 * runs }
)
