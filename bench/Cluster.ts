import { Effect, FileSystem, Schedule, Schema } from "effect"
import { HttpClient } from "effect/http"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { Identity } from "../src/csi/gen/csi_pb.ts"
import { control } from "../src/simulator/ControlClient.ts"
import { leastCommand, openBareExec } from "../test/support/BareExec.ts"
import { type DriverProcess, startDriver } from "../test/support/DriverProcess.ts"
import { connect } from "../test/support/GrpcClient.ts"
import { startSimulator } from "../test/support/SimulatorProcess.ts"

const Execs = Schema.Struct({ execs: Schema.Array(Schema.Struct({ line: Schema.String })) })

/** An appliance, the driver's processes and the floors to compare them with. */
export const startCluster = Effect.gen(function*() {
  const simulator = yield* startSimulator()
  const { controlSocket, controllerFlags, directory, nodeFlags } = simulator
  const controller = yield* serve(`${directory}/controller.sock`, [
    "controller",
    ...controllerFlags,
    "--nodes=node-a"
  ])
  const node = yield* serve(`${directory}/node.sock`, ["node", ...nodeFlags])
  const echoSocket = `${directory}/echo.sock`
  yield* ChildProcess.make(process.execPath, [fileURLToPath(new URL("EchoServer.ts", import.meta.url)), echoSocket])
  yield* present(echoSocket)

  return {
    simulator,
    /** Every SSH command takes that much longer from now on. */
    moveAway: (latencyMillis: number) =>
      Effect.andThen(
        control(controlSocket, { op: "clear-faults" }),
        control(controlSocket, { op: "add-fault", rule: `delay=${latencyMillis}ms count=all` })
      ),
    controller: controller.client,
    node: node.client,
    echo: yield* connect(`unix://${echoSocket}`),
    bareExec: (yield* openBareExec(simulator)).exec(leastCommand),
    /** SSH commands since this was last asked, without those that open a connection. */
    execs: control(controlSocket, { op: "execs" }).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Execs)),
      Effect.tap(control(controlSocket, { op: "reset-execs" })),
      Effect.map(({ execs }) => execs.filter(({ line }) => !line.includes("/system/resource")).length)
    ),
    controllerBytes: residentBytes(controller.process),
    nodeBytes: residentBytes(node.process)
  }
})

/** The running processes. */
export type Cluster = Effect.Success<typeof startCluster>

/** The image has one too. */
const compileCache = fileURLToPath(new URL("../node_modules/.cache/rds-csi", import.meta.url))

/** Starts the bundle as production does, and waits until it has answered a first Probe. */
export const serve = Effect.fnUntraced(function*(socket: string, args: ReadonlyArray<string>) {
  const process = yield* startDriver([...args, `--endpoint=unix://${socket}`, "--metrics-address=127.0.0.1:0"], {
    NODE_COMPILE_CACHE: compileCache
  })
  yield* present(socket)
  const client = yield* connect(`unix://${socket}`)
  yield* client.call(Identity.method.probe, {})
  return { process, client }
})

/** Waits until the socket is there, which it is once the process listens on it. */
const present = Effect.fnUntraced(function*(socket: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.stat(socket).pipe(Effect.retry({ times: 10_000, schedule: Schedule.spaced("1 millis") }))
})

/** Resident memory as the process itself shows it to Prometheus. */
const residentBytes = (process: DriverProcess) => metricOf(process)("process_resident_memory_bytes")

/** Reads a metric of the process: by name, with labels if they matter. 0 while there is none. */
export const metricOf = (process: DriverProcess) =>
  Effect.fnUntraced(function*(name: string) {
    const [, url] = /metrics and health at (http:[^"]+)"/.exec(yield* process.output) ?? []
    const response = yield* HttpClient.get(`${url}/metrics`)
    const line = (yield* response.text).split("\n").find((line) =>
      line.startsWith(`${name} `) || line.startsWith(`${name}{`)
    )
    return Number(line?.split(" ").at(-1) ?? 0)
  })
