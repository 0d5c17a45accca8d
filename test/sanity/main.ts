/**
 * Runs csi-sanity, the conformance tests of kubernetes-csi, against the program as it is shipped: the RPCs of controller and
 * node in one process, with a simulated appliance and a simulated kernel. `test/vm/Sanity.test.ts` does so with a real one.
 * Those cases that are skipped, because the driver does not offer what they test, are those of `skipped.txt`: a new one has to
 * be looked at first.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem, Runtime } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { startSimulator } from "../support/SimulatorProcess.ts"
import { runDriver } from "../support/TestCluster.ts"
import { argumentsFor, canBuild, judge, provideProgram } from "./Suite.ts"

/** A case failed, or other cases than expected were skipped; the output has told which. */
class NotConformant extends Data.TaggedError("NotConformant") {
  override readonly [Runtime.errorReported] = false
}

/** Runs all cases with their output on this process'; answers exit code and report. */
const runSuite = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const program = yield* Effect.promise(provideProgram)
  const { controllerFlags, directory, nodeFlags } = yield* startSimulator("0ms")
  const socket = `${directory}/csi.sock`
  yield* runDriver(socket, ["all", ...controllerFlags, ...nodeFlags])
  const code = yield* spawner.exitCode(
    ChildProcess.make(program, argumentsFor({ directory, socket }), {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit"
    })
  )
  return { code, report: yield* files.readFileString(`${directory}/report.xml`) }
})

const sanity = Effect.gen(function*() {
  if (!(yield* Effect.promise(canBuild))) {
    return yield* Console.log("csi-sanity is skipped: it is built with Go, and there is no Go")
  }
  const { code, report } = yield* runSuite
  const { problems, summary } = yield* Effect.promise(() => judge(report))
  for (const line of problems) yield* Console.error(line)
  yield* Console.log(`csi-sanity: ${summary}`)
  return code !== 0 || problems.length > 0 ? yield* new NotConformant() : undefined
}).pipe(Effect.scoped)

NodeRuntime.runMain(Effect.provide(sanity, NodeServices.layer))
