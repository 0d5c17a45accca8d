import { Context, Duration, Effect, FileSystem, Layer, Metric, References, Schedule } from "effect"
import { NodeEvents } from "../src/csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../src/csi/node/watch/VolumeWatch.ts"
import { HostCommand } from "../src/linux/HostCommand.ts"
import * as LinuxMounter from "../src/mount/linux/LinuxMounter.ts"
import { Mounter } from "../src/mount/Mounter.ts"
import type { StageRecord } from "../src/mount/StageRecord.ts"
import { StageRecords } from "../src/mount/StageRecords.ts"
import * as LinuxNvmeFabric from "../src/nvme/linux/LinuxNvmeFabric.ts"
import { nvmeConnectionsActive } from "../src/observability/Metrics.ts"
import { Nqn } from "../src/volume/Nqn.ts"
import { VolumeId } from "../src/volume/VolumeId.ts"
import { VolumeLock } from "../src/volume/VolumeLock.ts"
import { makeSysfsTree } from "../test/nvme/linux/SysfsTree.ts"
import { pvc } from "../test/support/Requests.ts"
import { timed } from "./Load.ts"

/** What it costs to watch so many volumes that are well. */
export interface Watching {
  readonly volumes: number
  readonly wallMillis: number
  /**
   * Time on a processor: of this whole process while it watches, and of this process and its children for the part of the
   * rechecks that belongs into the time. There is none so soon after the start: they are measured by themselves.
   */
  readonly cpuMillis: number
}

const volumes = 100

const recordOf = (number: number, stagingPath: string): StageRecord => {
  const volumeId = VolumeId.fromName(pvc(number))
  return {
    version: 1,
    volumeId,
    nqn: Nqn.ofVolume(volumeId),
    stagingPath,
    mode: { _tag: "Filesystem", fsType: "ext4", uuid: "", flags: [] },
    readOnly: false,
    device: { path: `/dev/nvme${number + 10}n1`, major: 259, minor: number, sizeBytes: 1n << 30n, identity: "" },
    publications: []
  }
}

/** Lets the node plugin's watcher look at the sysfs and the mount table of a node with 100 volumes, made of files. */
export const measureWatching = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const tree = yield* makeSysfsTree({ multipath: true })
  const directory = yield* files.makeTempDirectoryScoped()
  const records = Array.from({ length: volumes }, (_, number) => recordOf(number, `${directory}/${number}`))
  for (const [number, { nqn }] of records.entries()) {
    const controller = { name: `nvme${number}`, nqn }
    yield* tree.add(controller)
    yield* tree.addNamespace(controller, { instance: 1, minor: number, sectors: 1n << 21n })
  }
  const table = records.map(({ device: { path }, stagingPath }, number) =>
    `${number + 10} 1 259:${number} / ${stagingPath} rw,nosuid,nodev shared:${number} - ext4 ${path} rw\n`
  )
  for (const process of ["self", "1"]) {
    yield* files.makeDirectory(`${directory}/proc/${process}`, { recursive: true })
    yield* files.writeFileString(`${directory}/proc/${process}/mountinfo`, table.join(""))
  }

  const { devRoot, sysRoot } = tree
  const services = Layer.mergeAll(
    LinuxNvmeFabric.layer({ ...LinuxNvmeFabric.defaults, devRoot, sysRoot }),
    LinuxMounter.layer({ procRoot: `${directory}/proc`, devRoot, sysRoot }),
    StageRecords.layerFiles(`${directory}/records`),
    VolumeLock.layer,
    NodeEvents.layerNone
  ).pipe(Layer.provide(HostCommand.layer))
  const watch = VolumeWatch.layer({
    node: { nodeId: "node", maxVolumes: 0, deviceTimeout: Duration.seconds(30) },
    pollInterval: Duration.seconds(5),
    orphanGracePeriod: Duration.minutes(5)
  })
  const seeded = Layer.effectDiscard(StageRecords.use(({ put }) => Effect.forEach(records, put, { discard: true })))
  const quiet = Layer.succeed(References.MinimumLogLevel, "Warn")
  const built = Layer.provideMerge(watch.pipe(Layer.provide(seeded), Layer.provide(quiet)), services)
  const mounter = Context.get(yield* Layer.build(built), Mounter)
  yield* Metric.value(nvmeConnectionsActive).pipe(
    Effect.filterOrFail(({ value }) => value === volumes),
    Effect.retry(Schedule.spaced("100 millis"))
  )
  yield* Effect.sleep("6 seconds")
  const [wallMillis, cpuMillis] = yield* costOf(Effect.sleep("30 seconds"))
  const [, recheckMillis] = yield* costOf(Effect.forEach(records, () => mounter.stats(directory)))
  const part = wallMillis / Duration.toMillis(recheckInterval)
  return { volumes, wallMillis, cpuMillis: cpuMillis + part * recheckMillis } satisfies Watching
}).pipe(Effect.scoped)

/** The shortest time between two rechecks of a volume. */
const recheckInterval = Duration.minutes(3)

/** Time that passed, and time on a processor of this process and of its children that have ended, in milliseconds. */
const costOf = Effect.fnUntraced(function*<E>(work: Effect.Effect<unknown, E>) {
  const before = { cpu: process.cpuUsage(), children: yield* childMillis }
  const [wall] = yield* timed(work)
  const { system, user } = process.cpuUsage(before.cpu)
  return [wall, (system + user) / 1000 + (yield* childMillis) - before.children] as const
})

/** proc_pid_stat(5): cutime and cstime, in hundredths of a second. */
const childMillis = FileSystem.FileSystem.use((files) => files.readFileString("/proc/self/stat")).pipe(
  Effect.map((text) => {
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return 10 * (Number(fields[13]) + Number(fields[14]))
  })
)
