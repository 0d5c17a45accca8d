import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { type ControllerCalls, controllerCalls } from "../support/ControllerCalls.ts"
import { holdings } from "../support/Holdings.ts"
import { insist } from "../support/Insist.ts"
import { fromSnapshot, GiB, pvc } from "../support/Requests.ts"
import { runDriver, TestCluster } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

/** Moments at which the controller is killed while it cuts: rules that hold the command that matches. */
const moments = [
  ["btrfs", "hang=during step=1 match=ID.*subvolume/add"],
  ["btrfs", "hang=after match=ID.*subvolume/add"],
  ["copy", "hang=after match=ID.*nvme-tcp-export=no"],
  ["copy", "hang=after match=:execute"]
] as const

const device = { pools: [{ ...defaultPool, fs: "btrfs", label: "Data" }], copyRate: 8n * GiB } as const

/** What a guest has written to the volume. */
const contentOf = Effect.fnUntraced(function*(id: string) {
  const { simulator } = yield* TestCluster
  const files = yield* simulator.device.files
  return files.find(({ directory, path }) => !directory && path.includes(id) && path.endsWith("img"))?.contents
})

const whenReady = ({ snapshot }: ControllerCalls, source: string, name: string) =>
  insist(snapshot(source, name)).pipe(
    Effect.repeat({ until: ({ readyToUse }) => readyToUse, schedule: Schedule.spaced("50 millis") })
  )

layer(TestCluster.layer(device), { excludeTestServices: true })(
  "CreateSnapshot when the controller is killed with -9",
  (it) => {
    for (const [mode, rule] of moments) {
      it.effect(`${mode}, ${rule}: the next controller ends it, and what is restored is what was there at the cut`, () =>
        Effect.gen(function*() {
          const { controllerFlags, directory, simulator } = yield* TestCluster
          const run = runDriver(`${directory}/killed.sock`, [
            "controller",
            ...controllerFlags,
            `--snapshots=${mode}`,
            "--nodes=node-a"
          ])
          const before = yield* holdings(simulator)
          const first = yield* run
          const controller = controllerCalls(first.client)
          yield* controller.create(pvc(1))
          const [image] = (yield* simulator.device.files).filter(({ path }) => path.endsWith("img"))
          yield* simulator.device.writeImage(image?.path ?? "", "at the cut")
          yield* simulator.faults.add(rule.replace("ID", SnapshotId.fromName("s")))
          const cutting = yield* Effect.forkChild(controller.snapshot(pvc(1), "s"))
          yield* until(Effect.map(simulator.execs, (execs) => execs.some(({ outcome }) => outcome === "hung")))
          yield* first.process.stop("SIGKILL")
          yield* Fiber.await(cutting)
          yield* simulator.faults.clear

          const again = controllerCalls((yield* run).client)
          const { snapshotId } = yield* whenReady(again, pvc(1), "s")
          yield* simulator.device.writeImage(image?.path ?? "", "later")
          yield* insist(again.create(pvc(2), fromSnapshot(snapshotId)))
          assert.strictEqual(yield* contentOf(pvc(2)), "at the cut")
          yield* again.publish(pvc(1), "node-a")
          yield* again.unpublish(pvc(1), "node-a")
          yield* Effect.forEach([pvc(1), pvc(2)], again.remove)
          yield* again.removeSnapshot(snapshotId)
          assert.deepStrictEqual(yield* holdings(simulator), before)
          assert.deepStrictEqual([yield* simulator.device.scripts, yield* simulator.device.subvolumes], [[], []])
          yield* simulator.resetExecs
        }).pipe(Effect.scoped))
    }
  }
)
