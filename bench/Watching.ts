import { Clock, Duration, Effect, FileSystem, Layer, Metric, References, Schedule } from "effect"
import { NodeEvents } from "../src/csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../src/csi/node/watch/VolumeWatch.ts"
import { HostCommand } from "../src/linux/HostCommand.ts"
import * as LinuxMounter from "../src/mount/linux/LinuxMounter.ts"
import type { StageRecord } from "../src/mount/StageRecord.ts"
import { StageRecords } from "../src/mount/StageRecords.ts"
import * as LinuxNvmeFabric from "../src/nvme/linux/LinuxNvmeFabric.ts"
import { nvmeConnectionsActive } from "../src/observability/Metrics.ts"
import { Nqn } from "../src/volume/Nqn.ts"
import { VolumeId } from "../src/volume/VolumeId.ts"
import { VolumeLock } from "../src/volume/VolumeLock.ts"
import { makeSysfsTree } from "../test/nvme/linux/SysfsTree.ts"
import { pvc } from "../test/support/Requests.ts"

/** What it costs to watch so many volumes that are well. */
export interface Watching {
  readonly volumes: number
  readonly wallMillis: number
  /** Time on a processor, of this whole process. */
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
  yield* Layer.build(watch.pipe(Layer.provide(seeded), Layer.provide(services), Layer.provide(quiet)))
  yield* Metric.value(nvmeConnectionsActive).pipe(
    Effect.filterOrFail(({ value }) => value === volumes),
    Effect.retry(Schedule.spaced("100 millis"))
  )
  const before = { cpu: process.cpuUsage(), at: yield* Clock.currentTimeMillis }
  yield* Effect.sleep("30 seconds")
  const { system, user } = process.cpuUsage(before.cpu)
  const wallMillis = (yield* Clock.currentTimeMillis) - before.at
  return { volumes, wallMillis, cpuMillis: (system + user) / 1000 } satisfies Watching
}).pipe(Effect.scoped)
