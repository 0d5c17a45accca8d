import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem, Runtime } from "effect"
import { Command, Flag } from "effect/cli"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { full, smoke } from "./Plan.ts"
import * as Report from "./Report.ts"
import { measureAll } from "./Results.ts"
import { dependsOnMachine, isMet, targetsOf } from "./Targets.ts"

/** A target was missed; the report has told which. */
class TargetMissed extends Data.TaggedError("TargetMissed") {
  override readonly [Runtime.errorReported] = false
}

const resultsFile = fileURLToPath(new URL("../bench-results.json", import.meta.url))

const bench = Command.make(
  "bench",
  {
    smoke: Flag.Boolean("smoke").pipe(
      Flag.withDescription("A few seconds; judges only the number of SSH commands"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*(flags) {
    const files = yield* FileSystem.FileSystem
    const plan = flags.smoke ? smoke : full
    const results = yield* measureAll(plan, (what) => Console.error(`bench: ${what}`))
    const targets = targetsOf(results)
    const machine = { cores: availableParallelism(), node: process.version, arch: process.arch }
    yield* files.writeFileString(resultsFile, `${JSON.stringify({ machine, ...results, targets }, null, 2)}\n`)
    yield* Console.log(`${Report.tables(results)}\n\n${Report.verdicts(targets)}`)
    const missed = targets.some((target) => !isMet(target) && (plan.judgesMachine || !dependsOnMachine(target)))
    if (missed) return yield* new TargetMissed()
  })
).pipe(
  Command.withDescription(
    "Measures the driver's processes against a simulated appliance, on this machine only: every RPC in units of one bare SSH " +
      "command or gRPC echo of the same run. Writes bench-results.json."
  )
)

Command.run(bench, { version: "1" }).pipe(
  Effect.provide([NodeHttpClient.layerNodeHttp, NodeServices.layer]),
  NodeRuntime.runMain
)
