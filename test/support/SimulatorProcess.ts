import { Effect, FileSystem, Path, Schedule, Schema } from "effect"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { type DriverProcess, startDriver } from "./DriverProcess.ts"
import { base } from "./TestCluster.ts"

const Ready = Schema.fromJsonString(Schema.Struct({ host: Schema.String, port: Schema.Int, hostKey: Schema.String }))

/**
 * Starts a simulated appliance as a process of its own, with these flags besides, and makes the files that a person would make
 * by hand. Answers where it is and what a driver process needs to reach it.
 */
export const startSimulator = Effect.fnUntraced(function*(flags: ReadonlyArray<string> = []) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-" })
  const controlSocket = path.join(directory, "simulator.sock")
  const [keyFile, hostKeyFile] = [path.join(directory, "key"), path.join(directory, "host-key")]
  const { privateKey, publicKey } = yield* generateSshKeyPair("csi@simulator")
  yield* files.writeFileString(keyFile, privateKey, { mode: 0o600 })
  yield* files.writeFileString(`${keyFile}.pub`, publicKey)

  const simulator = yield* startDriver([
    "simulator",
    "--port=0",
    "--json",
    `--authorized-key=csi=${keyFile}.pub`,
    `--control-socket=${controlSocket}`,
    ...flags
  ])
  const { host, hostKey, port } = yield* readyLine(simulator)
  yield* files.writeFileString(hostKeyFile, `${hostKey}\n`)
  return {
    /** For sockets and state of the driver's processes. */
    directory,
    controlSocket,
    host,
    port,
    user: "csi",
    privateKey,
    controllerFlags: [
      `--rds-address=${host}`,
      `--rds-port=${port}`,
      "--rds-user=csi",
      `--rds-key-file=${keyFile}`,
      `--rds-host-key=${hostKeyFile}`,
      `--rds-volume-base-path=${base}`,
      "--attachments=memory"
    ],
    nodeFlags: [
      "--node-id=node-a",
      `--simulator-socket=${controlSocket}`,
      `--state-dir=${path.join(directory, "state")}`,
      "--node-events=none"
    ]
  }
})

/** The running process. */
export type SimulatorProcess = Effect.Success<ReturnType<typeof startSimulator>>

const readyLine = (simulator: DriverProcess) =>
  simulator.output.pipe(
    Effect.map((text) => text.split("\n").find((line) => line.startsWith("{\"ready\":")) ?? ""),
    Effect.flatMap(Schema.decodeEffect(Ready)),
    Effect.retry({ times: 400, schedule: Schedule.spaced("20 millis") })
  )
