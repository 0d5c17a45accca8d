import { assert, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { volumeOperationsTotal } from "../../src/observability/Metrics.ts"
import * as Kit from "./node/NodeKit.ts"

const countOf = (operation: string, status: string) =>
  Effect.map(
    Metric.value(Metric.withAttributes(volumeOperationsTotal, { operation, status })),
    ({ count }) => count
  )

it.effect("operations are counted by name and outcome", () =>
  Effect.gen(function*() {
    const { volume, driver } = yield* Kit.setUp()
    yield* Effect.exit(driver.publish(volume))
    yield* driver.stage(volume)
    yield* driver.publish(volume)
    yield* driver.unpublish(volume)
    yield* driver.unstage(volume)
    assert.strictEqual(yield* countOf("publish", "failure"), 1)
    for (const operation of ["stage", "publish", "unpublish", "unstage"]) {
      assert.strictEqual(yield* countOf(operation, "success"), 1, operation)
    }
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
