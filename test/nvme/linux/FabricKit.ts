import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, References } from "effect"
import * as LinuxNvmeFabric from "../../../src/nvme/linux/LinuxNvmeFabric.ts"
import { type FabricTarget, NvmeFabric } from "../../../src/nvme/NvmeFabric.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { type Reaction, type Run, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"
import { type FakeNamespace, makeSysfsTree, type SysfsTree } from "./SysfsTree.ts"

export const GiB = 1n << 30n

export const nqnOf = (name: string) => Nqn.ofVolume(VolumeId.fromName(name))

export const targetOf = (name: string, change: Partial<FabricTarget> = {}): FabricTarget => ({
  nqn: nqnOf(name),
  address: "10.42.68.1",
  port: 4420,
  hostNqn: Nqn.host("worker-1"),
  hostId: Nqn.hostId("worker-1"),
  tuning: { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 },
  ...change
})

export const namespace: FakeNamespace = {
  instance: 1,
  minor: 4,
  sectors: GiB / 512n,
  identity: { uuid: "3d3937bb-da6a-464d-9c80-01c2eb31a6c0", wwid: "uuid.3d3937bb-da6a-464d-9c80-01c2eb31a6c0" }
}

export type React = (run: Run, tree: SysfsTree) => Effect.Effect<Reaction> | Reaction | undefined

/** nvme-cli on a kernel that does what it is asked: for tests where that part goes well. */
export const workingNvme = ({ args: [verb, ...args] }: Run, tree: SysfsTree) =>
  Effect.gen(function*() {
    const value = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ""
    if (verb === "connect") {
      const address = `traddr=${value("traddr")},trsvcid=${value("trsvcid")}`
      const controller = { name: `nvme${20 + (yield* tree.names).length}`, nqn: value("nqn"), address }
      yield* tree.add(controller)
      yield* tree.addNamespace(controller, namespace)
      return { stdout: `connecting to device: ${controller.name}\n` }
    }
    let removed = 0
    for (const name of yield* tree.names) {
      if ((yield* tree.read(name, "subsysnqn")) !== value("nqn")) continue
      yield* tree.removeController(name)
      removed += 1
    }
    return { stdout: `NQN:${value("nqn")} disconnected ${removed} controller(s)\n` }
  }).pipe(Effect.orDie)

interface Setting {
  readonly multipath?: boolean
  readonly limits?: Partial<
    Pick<LinuxNvmeFabric.LinuxNvmeFabricOptions, "readLimit" | "disconnectLimit" | "deviceGrace">
  >
  readonly react?: React
  /** What of the file system is not the real one. */
  readonly files?: (real: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>
}

/** Everything a test sees: the port, the kernel's tree, and the programs that were run. */
export interface Kit {
  readonly fabric: NvmeFabric["Service"]
  readonly tree: SysfsTree
  readonly runs: Effect.Effect<ReadonlyArray<Run>>
}

/** The Linux layer on a made-up sysfs and nvme-cli, with limits of a test's size. */
export const withFabric = <A, E>(
  { multipath = true, limits = {}, react = workingNvme, files = () => ({}) }: Setting,
  test: (kit: Kit) => Effect.Effect<A, E, FileSystem.FileSystem>
) =>
  Effect.gen(function*() {
    const real = yield* FileSystem.FileSystem
    const tree = yield* makeSysfsTree({ multipath })
    const commands = yield* scriptedCommands((run) => react(run, tree))
    const layer = LinuxNvmeFabric.layer({
      ...LinuxNvmeFabric.defaults,
      sysRoot: tree.sysRoot,
      devRoot: tree.devRoot,
      disconnectLimit: "100 millis",
      deviceGrace: "100 millis",
      ...limits
    }).pipe(
      Layer.provide(commands.layer),
      Layer.provide(Layer.succeed(FileSystem.FileSystem, { ...real, ...files(real) }))
    )
    return yield* Effect.gen(function*() {
      return yield* test({ fabric: yield* NvmeFabric, tree, runs: commands.runs })
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "None"))

/** The first words of the programs that were run, such as `nvme disconnect`. */
export const verbs = (runs: ReadonlyArray<Run>) => runs.map(({ program, args }) => `${program} ${args[0]}`)
