import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { type Duration, Effect, Layer, Option, type Scope } from "effect"
import { Console } from "./Console.ts"
import { startControlSocket } from "./ControlSocket.ts"
import { Device } from "./device/Device.ts"
import { DeviceStore } from "./device/DeviceStore.ts"
import { exportedImage, writeImage } from "./device/Images.ts"
import type { FileDisk, FileEntry, Pool, Script, Subvolume } from "./device/Model.ts"
import { Power } from "./device/Power.ts"
import { freeBytes, usedBytes } from "./device/Space.ts"
import { type Job, Volatile } from "./device/Volatile.ts"
import { ExecLog, type ExecRecord } from "./ExecLog.ts"
import { type Export, Exports } from "./Exports.ts"
import { nvmetExports } from "./exports/Nvmet.ts"
import type { InvalidFault } from "./faults/FaultRule.ts"
import { type ActiveFault, Faults } from "./faults/Faults.ts"
import { makeSession } from "./language/Session.ts"
import { operator, type RosError } from "./menu/Menu.ts"
import { type SimulatorConfig, simulatorConfig } from "./SimulatorConfig.ts"
import { SimulatorError } from "./SimulatorError.ts"
import { startSshServer } from "./ssh/SshServer.ts"

/** An exported image as a guest sees it, for guests that only seem to be some. */
export interface ExportedDisk {
  /** Of the image, in the form of `/file`. */
  readonly path: string
  readonly sizeBytes: bigint
  /** What was written from the beginning on. */
  readonly content: string
  /** A directory that stands for what the file system on it holds. It is copied with the image. */
  readonly directory: string
}

/** What a device holds, read past its command line; for assertions. */
export interface DeviceView {
  /** Pools with what is used and free now. */
  readonly pools: Effect.Effect<ReadonlyArray<Pool & { readonly usedBytes: bigint; readonly freeBytes: bigint }>>
  /** File disks in order of their id. */
  readonly disks: Effect.Effect<ReadonlyArray<FileDisk>>
  /** Files and directories in order of their path. */
  readonly files: Effect.Effect<ReadonlyArray<FileEntry>>
  /** Btrfs subvolumes in order of their id, also those of pools that are not mounted. */
  readonly subvolumes: Effect.Effect<ReadonlyArray<Subvolume>>
  readonly scripts: Effect.Effect<ReadonlyArray<Script>>
  /** Scripts that run now, and logins. */
  readonly jobs: Effect.Effect<ReadonlyArray<Omit<Job, "stop">>>
  /** What an NVMe/TCP initiator would find now; nothing while the device is down. */
  readonly exports: Effect.Effect<ReadonlyArray<Export>>
  /** What an initiator without a kernel finds behind an NQN: {@link ExportedDisk}; None where it finds nothing. */
  exportedDisk(nqn: string): Effect.Effect<Option.Option<ExportedDisk>>
  /** What a guest writes to an image, from its beginning on. Fails as the device would. */
  writeImage(path: string, contents: string): Effect.Effect<void, RosError>
  /** Time since boot. */
  readonly uptime: Effect.Effect<Duration.Duration>
  /** Changes what an operator's hands or a failing drive would: array state, mounted. An unknown mount point: nothing. */
  setPool(mountPoint: string, change: { readonly state?: string; readonly mounted?: boolean }): Effect.Effect<void>
}

/** Fault rules are one line each; the grammar is in faults/FaultRule.ts and in `rds-csi simulator --help`. */
export interface FaultsView {
  /** Adds a rule, e.g. `cut=during match=/disk/add nth=1 count=1`; answers its number. */
  add(rule: string): Effect.Effect<number, InvalidFault>
  /** Removes every rule; what hangs goes on hanging until its connection closes. */
  readonly clear: Effect.Effect<void>
  /** The rules that may still apply. */
  readonly list: Effect.Effect<ReadonlyArray<ActiveFault>>
}

/** A running device. It ends, with every connection, when its scope closes. */
export interface Simulator {
  readonly host: string
  readonly port: number
  /** The host key of the start, as an authorized_keys line (`ssh-ed25519 AAAA…`) and as a known_hosts line. */
  readonly hostKeys: { readonly authorizedKeys: string; readonly knownHosts: string }
  readonly device: DeviceView
  readonly faults: FaultsView
  /** The exec lines since the start or the last reset, in order of arrival; of very many, the newest 10 000. */
  readonly execs: Effect.Effect<ReadonlyArray<ExecRecord>>
  readonly resetExecs: Effect.Effect<void>
  /** SSH connections that are logged in. */
  readonly connections: Effect.Effect<number>
  /** Runs a command line on the console with every policy, without SSH, latency or faults; answers what it prints. */
  run(line: string): Effect.Effect<string>
  /** Drops every connection, refuses new ones for that time, and comes back with the configuration it had. Answers when it is down. */
  reboot(downFor: Duration.Input): Effect.Effect<void>
}

/** Starts a device as `config` says; `Simulator.config` fills in what a test or a person does not care about. */
const start = Effect.fnUntraced(function*(config: SimulatorConfig): Effect.fn.Return<
  Simulator,
  SimulatorError,
  Scope.Scope
> {
  const context = yield* Layer.build(servicesOf(config))
  const simulator = yield* Effect.provide(facade(config), context)
  if (config.controlSocket !== undefined) {
    yield* Effect.provide(startControlSocket(simulator, config.controlSocket), context)
  }
  return simulator
})

export const Simulator = { start, config: simulatorConfig }

const servicesOf = (config: SimulatorConfig) => {
  const store = config.stateDirectory === undefined ? DeviceStore.memory : DeviceStore.directory(config.stateDirectory)
  const exports = config.exports === "nvmet" ? nvmetExports() : Exports.none
  return Console.layer.pipe(
    Layer.provideMerge(Power.layer),
    Layer.provideMerge(Device.layer(config)),
    Layer.provideMerge(Layer.mergeAll(store, exports, Volatile.layer, Faults.layer, ExecLog.layer)),
    Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer))
  )
}

const facade = Effect.fnUntraced(function*(config: SimulatorConfig) {
  const faults = yield* Faults
  const log = yield* ExecLog
  const memory = yield* Volatile
  const power = yield* Power
  const console = yield* Console
  yield* Effect.forEach(config.faults, (rule) => faults.add(rule), { discard: true }).pipe(
    Effect.mapError(({ message }) => new SimulatorError({ message: `fault rule: ${message}` }))
  )
  const { hostKey, port } = yield* startSshServer
  return {
    host: config.host,
    port,
    hostKeys: {
      authorizedKeys: hostKey.publicKey,
      knownHosts: `${port === 22 ? config.host : `[${config.host}]:${port}`} ${hostKey.publicKey}`
    },
    device: yield* deviceView,
    faults,
    execs: log.records,
    resetExecs: log.reset,
    connections: Effect.map(memory.logins, (logins) => logins.length),
    run: Effect.fnUntraced(function*(line) {
      const output: Array<string> = []
      const emit = (text: string) => Effect.sync(() => void output.push(text))
      yield* console.run({ line, session: makeSession(), caller: operator, terminalWidth: 80, emit })
      return output.join("")
    }),
    reboot: power.reboot
  } satisfies Simulator
})

const deviceView = Effect.gen(function*() {
  const device = yield* Device
  const store = yield* DeviceStore
  const memory = yield* Volatile
  return {
    pools: Effect.map(
      device.state,
      (state) =>
        state.pools.map((pool) => ({ ...pool, usedBytes: usedBytes(state, pool), freeBytes: freeBytes(state, pool) }))
    ),
    disks: Effect.map(device.state, (state) => state.disks),
    files: Effect.map(device.state, (state) => [...state.files].sort((a, b) => a.path < b.path ? -1 : 1)),
    subvolumes: Effect.map(device.state, (state) => state.subvolumes),
    scripts: Effect.map(device.state, (state) => state.scripts),
    jobs: Effect.map(memory.jobs, (jobs) => jobs.map(({ stop: _, ...job }) => job)),
    exports: device.exports,
    exportedDisk: Effect.fnUntraced(function*(nqn) {
      const image = yield* exportedImage(device, nqn)
      if (Option.isNone(image)) return Option.none()
      const { contents: content, id, path, sizeBytes } = image.value
      return Option.some({ path, sizeBytes, content, directory: yield* store.guestDirectory(id) })
    }),
    writeImage: (path, contents) => writeImage(device, path, contents),
    uptime: memory.uptime,
    setPool: (mountPoint, change) =>
      Effect.orDie(device.change((state) => {
        const pools = state.pools.map((pool) => pool.mountPoint === mountPoint ? { ...pool, ...change } : pool)
        return Effect.succeed([undefined, { ...state, pools }])
      }))
  } satisfies DeviceView
})
