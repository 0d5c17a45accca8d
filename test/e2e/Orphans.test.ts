import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { startDriver } from "../support/DriverProcess.ts"
import { startOrchestrator } from "../support/Orchestrator.ts"
import { pvc } from "../support/Requests.ts"
import { nodes, startAppliance, withFlags } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

const Entries = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ volumeId: Schema.String, orphan: Schema.Boolean }))
)

const LeaseEvent = Schema.Struct({
  involvedObject: Schema.Struct({ kind: Schema.String, namespace: Schema.String, name: Schema.String }),
  reason: Schema.String,
  message: Schema.String
})
const isLeaseEvent = Schema.is(LeaseEvent)

layer(NodeServices.layer, { excludeTestServices: true })("orphans", (it) => {
  it.effect(
    "are told of by the controller in a dry run, shown by list, and removed by remove and by nothing else",
    () =>
      Effect.gen(function*() {
        const appliance = yield* startAppliance()
        const flags = withFlags(appliance.controllerFlags, { "--cluster-id": "prod" })
        const { cluster, provision, startController } = yield* startOrchestrator({
          ...appliance,
          controllerFlags: flags
        }, nodes)
        const { client, process } = yield* startController("first", [
          "-enable-orphan-reconciler",
          "-orphan-check-interval=1s",
          "-orphan-grace-period=0s"
        ])
        const { volumeId: needed } = yield* provision(client, pvc(1))
        const { volumeId: orphan } = yield* controllerCalls(client).create(pvc(2))
        yield* until(Effect.sync(() =>
          cluster.events().filter(isLeaseEvent).some(({ involvedObject, message, reason }) =>
            reason === "OrphanDetected" && message.includes(orphan) && !message.includes(needed) &&
            involvedObject.kind === "Lease" && involvedObject.name === "controller-leader-rds-csi-srvlab-io"
          )
        ))
        yield* process.stop("SIGTERM")

        const run = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
          const own = flags.filter((flag) =>
            !flag.startsWith("--attachments")
          )
          const ended = yield* startDriver(["orphans", ...args, ...own, `--kubeconfig=${cluster.kubeconfig}`])
          return { code: yield* ended.exitCode, errors: yield* ended.errors, output: yield* ended.output }
        })
        const listed = yield* run("list", "--output=json")
        assert.deepStrictEqual([listed.code, listed.errors], [0, ""])
        assert.deepStrictEqual(
          (yield* Schema.decodeEffect(Entries)(listed.output)).map(({ orphan, volumeId }) => [volumeId, orphan]),
          [[needed, false], [orphan, true]]
        )
        const removed = yield* run("remove", needed, orphan, "--yes")
        assert.strictEqual(removed.code, 1)
        assert.include(removed.output, `${orphan}: removed\n`)
        assert.include(removed.errors, `${needed}: not removed: PersistentVolume ${needed} refers to it`)
        const left = yield* appliance.simulator.device.disks
        assert.deepStrictEqual(left.map(({ exported, filePath }) => [exported, filePath.includes(needed)]), [[
          true,
          true
        ]])
      }),
    60_000
  )
})
