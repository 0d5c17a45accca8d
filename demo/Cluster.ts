import { Effect, FileSystem, Path, Ref, Schedule, Schema } from "effect"
import { control } from "../src/simulator/ControlClient.ts"
import { generateSshKeyPair } from "../src/simulator/Keys.ts"
import { type DriverProcess, startDriver } from "../test/support/DriverProcess.ts"
import { startOrchestrator } from "../test/support/Orchestrator.ts"
import { runDriver } from "../test/support/TestCluster.ts"

const Ready = Schema.fromJsonString(Schema.Struct({ host: Schema.String, port: Schema.Int, hostKey: Schema.String }))

const State = Schema.Struct({
  disks: Schema.Array(
    Schema.Struct({ slot: Schema.String, fileSize: Schema.BigIntFromString, exported: Schema.Boolean })
  ),
  files: Schema.Array(Schema.Struct({ path: Schema.String, directory: Schema.Boolean })),
  subvolumes: Schema.Array(Schema.Struct({ path: Schema.String }))
})

const Execs = Schema.Struct({ execs: Schema.Array(Schema.Struct({ line: Schema.String, outcome: Schema.String })) })

/** Makes the files that a person would make by hand, and starts the appliance: its own process, with real SSH. */
export const startAppliance = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-demo-" })
  const socket = path.join(directory, "simulator.sock")
  const [keyFile, hostKeyFile] = [path.join(directory, "key"), path.join(directory, "host-key")]
  const key = yield* generateSshKeyPair("csi@demo")
  yield* files.writeFileString(keyFile, key.privateKey, { mode: 0o600 })
  yield* files.writeFileString(`${keyFile}.pub`, key.publicKey)

  const simulator = yield* startDriver([
    "simulator",
    "--port=0",
    "--json",
    "--latency=10ms",
    "--pool=slot=raid1,mount-point=storage-pool,size=16T,fs=btrfs,label=data",
    `--authorized-key=csi=${keyFile}.pub`,
    `--control-socket=${socket}`
  ])
  const ready = yield* readyLine(simulator)
  yield* files.writeFileString(hostKeyFile, `${ready.hostKey}\n`)
  const controllerFlags = [
    `--rds-address=${ready.host}`,
    `--rds-port=${ready.port}`,
    "--rds-user=csi",
    `--rds-key-file=${keyFile}`,
    `--rds-host-key=${hostKeyFile}`,
    "--rds-volume-base-path=/storage-pool/metal-csi",
    "--reconnect-pause=500ms",
    "--leader-election=false",
    "--attachment-grace-period=1s"
  ]
  const nodeArgs = [
    "node",
    "--node-id=node-a",
    `--simulator-socket=${socket}`,
    `--state-dir=${path.join(directory, "state")}`,
    "--node-events=none"
  ]
  return { directory, socket, controllerFlags, nodeArgs }
})

const readyLine = (simulator: DriverProcess) =>
  simulator.output.pipe(
    Effect.map((text) => text.split("\n").find((line) => line.startsWith("{\"ready\":")) ?? ""),
    Effect.flatMap(Schema.decodeEffect(Ready)),
    Effect.retry({ times: 200, schedule: Schedule.spaced("20 millis") })
  )

/** The appliance, an API server in this process, and the two processes of the driver as they run in a cluster. */
export const startCluster = Effect.fnUntraced(function*(appliance: Effect.Success<typeof startAppliance>) {
  const { directory, nodeArgs, socket } = appliance
  const orchestrator = yield* startOrchestrator(appliance, ["node-a", "node-b", "node-c"])
  const first = yield* orchestrator.startController("controller")
  const node = yield* runDriver(`${directory}/node.sock`, nodeArgs)
  const running = yield* Ref.make(first.process)

  return {
    directory,
    orchestrator,
    controller: first.client,
    node: node.client,
    /** What the appliance holds now, read past SSH. */
    state: Effect.flatMap(control(socket, { op: "state" }), Schema.decodeUnknownEffect(State)),
    /** The lines that went over SSH since the last call. */
    wire: Effect.flatMap(control(socket, { op: "execs" }), Schema.decodeUnknownEffect(Execs)).pipe(
      Effect.tap(control(socket, { op: "reset-execs" })),
      Effect.map(({ execs }) => execs.map(({ line }) => line))
    ),
    /** The next command that matches meets this fault. */
    fault: (rule: string) => control(socket, { op: "add-fault", rule }),
    noMoreFaults: control(socket, { op: "clear-faults" }),
    /** Waits until a command that the fault holds has come as far as the fault lets it. */
    held: control(socket, { op: "execs" }).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Execs)),
      Effect.filterOrFail(({ execs }) => execs.some(({ outcome }) => outcome === "hung")),
      Effect.retry({ times: 200, schedule: Schedule.spaced("10 millis") })
    ),
    killController: Effect.flatMap(Ref.get(running), (process) => process.stop("SIGKILL")),
    startController: Effect.flatMap(
      orchestrator.startController("controller"),
      ({ process }) => Ref.set(running, process)
    )
  }
})

/** The running cluster. */
export type Cluster = Effect.Success<ReturnType<typeof startCluster>>
