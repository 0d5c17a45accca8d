/**
 * Runs csi-sanity, the conformance tests of kubernetes-csi, against the program as it is shipped: the RPCs of controller and
 * node in one process, with a simulated appliance and a simulated kernel. No case may fail. Those that it skips, because the
 * driver does not offer what they test, are those of `skipped.txt`: a new one has to be looked at first.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem, Runtime } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { installed } from "../../scripts/run.ts"
import { startSimulator } from "../support/SimulatorProcess.ts"
import { runDriver } from "../support/TestCluster.ts"

/** A case failed, or other cases than expected were skipped; the output has told which. */
class NotConformant extends Data.TaggedError("NotConformant") {
  override readonly [Runtime.errorReported] = false
}

const folder = fileURLToPath(new URL(".", import.meta.url))
const GiB = 2 ** 30

/** Runs the program in the folder of the Go module, with its output on this process'; answers its exit code. */
const run = Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.exitCode(
    ChildProcess.make(program, args, { cwd: folder, stdin: "ignore", stdout: "inherit", stderr: "inherit" })
  )
})

/** Runs all cases; answers how each ended, by its name. */
const runSuite = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const { controllerFlags, directory, nodeFlags } = yield* startSimulator("0ms")
  yield* runDriver(`${directory}/csi.sock`, ["all", ...controllerFlags, ...nodeFlags])
  const report = `${directory}/report.xml`
  const code = yield* run("go", [
    "tool",
    "csi-sanity",
    `-csi.endpoint=${directory}/csi.sock`,
    `-csi.mountdir=${directory}/pod`,
    `-csi.stagingdir=${directory}/staging`,
    `-csi.testvolumesize=${GiB}`,
    `-csi.testvolumeexpandsize=${2 * GiB}`,
    `-csi.junitfile=${report}`,
    "-ginkgo.no-color"
  ])
  return { code, outcomes: outcomesIn(yield* files.readFileString(report)) }
})

const outcomesIn = (report: string) => {
  const cases = report.matchAll(/<testcase name="\[It\] ([^"]*)"[^>]*? status="(\w+)"/g)
  return new Map([...cases].map(([, name = "", status = ""]) => [name.replaceAll("&#39;", "'"), status]))
}

const sanity = Effect.gen(function*() {
  if (!(yield* Effect.promise(() => installed("go")))) {
    yield* Console.log("csi-sanity is skipped: it is built with Go, and there is no Go")
    return process.env["CI"] === "true" ? yield* new NotConformant() : undefined
  }
  const files = yield* FileSystem.FileSystem
  const { code, outcomes } = yield* runSuite
  const skipped = [...outcomes].filter(([, status]) => status !== "passed" && status !== "failed").map(([name]) => name)
  const expected = (yield* files.readFileString(`${folder}skipped.txt`)).split("\n").filter((line) => line !== "")
  const unexpected = [
    ...skipped.filter((name) => !expected.includes(name)).map((name) => `skipped, but not in skipped.txt: ${name}`),
    ...expected.filter((name) => !skipped.includes(name)).map((name) => `in skipped.txt, but not skipped: ${name}`)
  ]
  for (const line of unexpected) yield* Console.error(line)
  const passed = [...outcomes.values()].filter((status) => status === "passed").length
  yield* Console.log(
    `csi-sanity: ${passed} passed, ${outcomes.size - passed - skipped.length} failed, ${skipped.length} skipped`
  )
  if (code !== 0 || passed === 0 || unexpected.length > 0) return yield* new NotConformant()
  return undefined
}).pipe(Effect.scoped)

NodeRuntime.runMain(Effect.provide(sanity, NodeServices.layer))
