/**
 * Runs csi-sanity, the conformance tests of kubernetes-csi, against the program as it is shipped: the RPCs of controller and
 * node in one process, with a simulated appliance and a simulated kernel. `test/vm/Sanity.test.ts` does so with a real one.
 * Those cases that are skipped, because the driver does not offer what they test, are those of `skipped.txt`: a new one has to
 * be looked at first.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem, Runtime } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { canBuild } from "../../scripts/go.ts"
import { startSimulator } from "../support/SimulatorProcess.ts"
import { runDriver } from "../support/TestCluster.ts"
import { argumentsFor, judge, provideProgram } from "./Suite.ts"

/** A case failed, or other cases than expected were skipped; the output has told which. */
class NotConformant extends Data.TaggedError("NotConformant") {
  override readonly [Runtime.errorReported] = false
}

/** Runs all cases with their output on this process'; fails unless they end as they have to. */
const runCases = Effect.fnUntraced(function*(socket: string, accessType: "mount" | "block", directory: string) {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const program = yield* Effect.promise(provideProgram)
  yield* files.makeDirectory(directory)
  const code = yield* spawner.exitCode(
    ChildProcess.make(program, argumentsFor({ accessType, directory, socket }), {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit"
    })
  )
  const report = yield* files.readFileString(`${directory}/report.xml`)
  const { problems, summary } = yield* Effect.promise(() => judge(report))
  for (const line of problems) yield* Console.error(line)
  yield* Console.log(`csi-sanity, ${accessType}: ${summary}`)
  if (code !== 0 || problems.length > 0) return yield* new NotConformant()
})

const sanity = Effect.gen(function*() {
  if (!(yield* Effect.promise(() => canBuild("csi-sanity")))) {
    return yield* Console.log("csi-sanity is skipped: it is built with Go, and there is no Go")
  }
  // Snapshots and clones are copies on the one pool, and cut at once on the other.
  yield* suite("mount", "xfs")
  yield* suite("block", "btrfs")
})

const suite = Effect.fnUntraced(function*(accessType: "mount" | "block", fs: "xfs" | "btrfs") {
  const { controllerFlags, directory, nodeFlags } = yield* startSimulator([
    `--pool=slot=storage-pool,size=16T,fs=${fs}`
  ])
  const socket = `${directory}/csi.sock`
  yield* runDriver(socket, ["all", ...controllerFlags, ...nodeFlags])
  yield* runCases(socket, accessType, `${directory}/${accessType}`)
}, Effect.scoped)

NodeRuntime.runMain(Effect.provide(sanity, NodeServices.layer))
