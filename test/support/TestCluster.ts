import { NodeServices } from "@effect/platform-node"
import { Context, Effect, FileSystem, Layer, Path, Schedule } from "effect"
import { Identity } from "../../src/csi/gen/csi_pb.ts"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"
import { csiPolicies, type SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { type DriverProcess, startDriver } from "./DriverProcess.ts"
import { connect, type GrpcClient } from "./GrpcClient.ts"

/** Directory of the volumes on the simulated appliance. */
export const base = "/storage-pool/metal-csi"

/** The nodes of the cluster: the one whose node plugin runs, and others. */
export const nodes = ["node-a", "node-b", "node-c"] as const

/** A simulated appliance in this process, and what a driver process needs to reach it. */
export interface TestAppliance {
  /** For sockets and state of the test's processes. */
  readonly directory: string
  readonly simulator: Simulator
  readonly controllerFlags: ReadonlyArray<string>
  readonly nodeFlags: ReadonlyArray<string>
}

/** Starts the simulator, with the key and host key files that the driver reads. */
export const startAppliance = Effect.fnUntraced(function*(options: SimulatorOptions = {}) {
  const access = yield* makeAccess
  const simulator = yield* Simulator.start(Simulator.config({ ...access.config, ...options }))
  const controllerFlags = yield* access.controllerFlags(simulator)
  return { ...access, simulator, controllerFlags } satisfies TestAppliance
})

/** Everything of {@link startAppliance} but the appliance itself, for tests in which it is not there from the start. */
export const makeAccess = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-" })
  const key = yield* generateSshKeyPair("csi@test")
  const controlSocket = path.join(directory, "simulator.sock")
  const keyFile = path.join(directory, "key")
  const hostKeyFile = path.join(directory, "host-key")
  yield* files.writeFileString(keyFile, key.privateKey, { mode: 0o600 })
  return {
    directory,
    /** For `Simulator.config`: a user that may log in with the key. */
    config: { users: [{ name: "csi", publicKeys: [key.publicKey], policies: csiPolicies }], controlSocket },
    controllerFlags: ({ host, hostKeys, port }: Pick<Simulator, "host" | "hostKeys" | "port">) =>
      Effect.as(files.writeFileString(hostKeyFile, `${hostKeys.authorizedKeys}\n`), [
        `--rds-address=${host}`,
        `--rds-port=${port}`,
        "--rds-user=csi",
        `--rds-key-file=${keyFile}`,
        `--rds-host-key=${hostKeyFile}`,
        `--rds-volume-base-path=${base}`,
        "--attachments=memory"
      ]),
    nodeFlags: [
      `--node-id=${nodes[0]}`,
      `--simulator-socket=${controlSocket}`,
      `--state-dir=${path.join(directory, "state")}`,
      "--node-events=none"
    ]
  }
})

/** These flags, with other values for some of them. */
export const withFlags = (
  flags: ReadonlyArray<string>,
  changes: Readonly<Record<string, string | number>>
): ReadonlyArray<string> => [
  ...flags.filter((flag) => changes[flag.split("=")[0] ?? ""] === undefined),
  ...Object.entries(changes).map(([name, value]) => `${name}=${value}`)
]

/** A driver process and a client of its socket. */
export interface RunningDriver {
  readonly process: DriverProcess
  readonly client: GrpcClient
}

/** Starts the bundle with these arguments and waits until it answers Probe with ready; fails when it ends instead. */
export const runDriver = Effect.fnUntraced(function*(
  socket: string,
  args: ReadonlyArray<string>,
  { env = {}, metricsAddress = "" }: {
    readonly env?: Readonly<Record<string, string>>
    readonly metricsAddress?: string
  } = {}
) {
  const process = yield* startDriver(
    [...args, `--endpoint=unix://${socket}`, `--metrics-address=${metricsAddress}`],
    env
  )
  const client = yield* connect(`unix://${socket}`)
  const ready = client.call(Identity.method.probe, {}).pipe(
    Effect.filterOrFail((reply) => reply.ready === true),
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("15 seconds")
  )
  const ended = Effect.gen(function*() {
    const code = yield* process.exitCode
    return yield* Effect.die(`the driver ended with ${code}: ${yield* process.output}`)
  })
  yield* Effect.raceFirst(ready, ended)
  return { process, client } satisfies RunningDriver
})

/** One appliance and one process that serves all three services, for tests that leave both as they found them. */
export class TestCluster extends Context.Service<TestCluster, TestAppliance & RunningDriver>()("test/TestCluster") {
  static readonly layer = (options: SimulatorOptions = {}, flags: ReadonlyArray<string> = []) =>
    Layer.effect(
      TestCluster,
      Effect.gen(function*() {
        const appliance = yield* startAppliance(options)
        const driver = yield* runDriver(`${appliance.directory}/csi.sock`, [
          "all",
          ...appliance.controllerFlags,
          ...appliance.nodeFlags,
          `--nodes=${nodes.slice(1).join(",")}`,
          ...flags
        ])
        return { ...appliance, ...driver }
      })
    ).pipe(Layer.provideMerge(NodeServices.layer))
}
