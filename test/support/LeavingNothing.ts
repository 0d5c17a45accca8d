import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type ControllerCalls, controllerCalls } from "./ControllerCalls.ts"
import { holdings } from "./Holdings.ts"
import { TestCluster } from "./TestCluster.ts"

/** The cluster, with the calls; whatever the test makes it must remove again. */
export const leavingNothing = <E>(
  test: (cluster: TestCluster["Service"] & { readonly controller: ControllerCalls }) => Effect.Effect<void, E>
) =>
  Effect.gen(function*() {
    const cluster = yield* TestCluster
    const before = yield* holdings(cluster.simulator)
    yield* test({ ...cluster, controller: controllerCalls(cluster.client) })
    assert.deepStrictEqual(yield* holdings(cluster.simulator), before)
  })
