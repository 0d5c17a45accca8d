import { create, type MessageInitShape } from "@bufbuild/protobuf"
import { Context, Duration, Effect, Layer, Option, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  CapacityRangeSchema,
  NodeExpandVolumeRequestSchema,
  NodeGetVolumeStatsRequestSchema,
  NodePublishVolumeRequestSchema,
  NodeStageVolumeRequestSchema,
  NodeUnpublishVolumeRequestSchema,
  NodeUnstageVolumeRequestSchema,
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeCapabilitySchema
} from "../../../src/csi/gen/csi_pb.ts"
import { makeNode, type NodeServices } from "../../../src/csi/Node.ts"
import * as MemoryKernel from "../../../src/csi/node/MemoryKernel.ts"
import { NodeEvents } from "../../../src/csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../../../src/csi/node/watch/VolumeWatch.ts"
import { type DriverError, type Status, type StatusCode, toStatus } from "../../../src/csi/Status.ts"
import { HostPaths } from "../../../src/mount/memory/HostPaths.ts"
import { MemoryHost } from "../../../src/mount/memory/MemoryHost.ts"
import { StageRecords } from "../../../src/mount/StageRecords.ts"
import { MemoryExports } from "../../../src/nvme/memory/MemoryExports.ts"
import { MemoryInitiator } from "../../../src/nvme/memory/MemoryInitiator.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { VolumeLock } from "../../../src/volume/VolumeLock.ts"
import { type Faults, faultyPorts, type Ports } from "./FaultyPorts.ts"

export { Mode }
export const GiB: bigint = 1n << 30n
export const nodeId = "worker-1"
export const address = "10.42.68.1"

/** A machine and the appliance it reaches: what stays when the driver's process ends. */
export interface Machine {
  readonly exports: MemoryExports["Service"]
  readonly initiator: MemoryInitiator["Service"]
  readonly host: MemoryHost["Service"]
  readonly paths: HostPaths["Service"]
  readonly records: StageRecords["Service"]
  readonly ports: Context.Context<Ports>
}

export const makeMachine = (
  options: { readonly deviceDelayMillis: number } = { deviceDelayMillis: 0 }
): Effect.Effect<Machine, never, Scope.Scope> =>
  MemoryKernel.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(MemoryExports.layer, HostPaths.layerMemory, StageRecords.layerMemory)),
    Layer.fresh,
    Layer.build,
    Effect.map((context) => ({
      exports: Context.get(context, MemoryExports),
      initiator: Context.get(context, MemoryInitiator),
      host: Context.get(context, MemoryHost),
      paths: Context.get(context, HostPaths),
      records: Context.get(context, StageRecords),
      ports: context
    }))
  )

/** A volume on the appliance, and where kubelet would have it. */
export interface TestVolume {
  readonly id: VolumeId
  readonly nqn: Nqn
  readonly stagingPath: string
  readonly targetPath: string
}

/** Exports volume number `n`, and makes its staging directory as kubelet does. */
export const addVolume = Effect.fnUntraced(function*({ exports, paths }: Machine, n = 1, sizeBytes: bigint = GiB) {
  const id = VolumeId.fromName(`volume ${n}`)
  const volume: TestVolume = {
    id,
    nqn: Nqn.ofVolume(id),
    stagingPath: `/staging/${n}`,
    targetPath: `/pods/${n}/mount`
  }
  yield* exports.put(volume.nqn, { sizeBytes })
  yield* paths.makeDirectory(volume.stagingPath)
  return volume
})

type Capability = MessageInitShape<typeof VolumeCapabilitySchema>

/** Fields of a request that differ from what kubelet would send for the volume; `capability: null` leaves it out. */
interface Change {
  readonly volumeId?: string
  readonly stagingTargetPath?: string
  readonly targetPath?: string
  readonly volumePath?: string
  readonly volumeContext?: Record<string, string>
  readonly publishContext?: Record<string, string>
  readonly capability?: Capability | null
  readonly readonly?: boolean
  readonly limitBytes?: bigint
}

export const mountCapability = (
  { mode = Mode.SINGLE_NODE_MULTI_WRITER, fsType = "", mountFlags = [] }: {
    readonly mode?: Mode
    readonly fsType?: string
    readonly mountFlags?: ReadonlyArray<string>
  } = {}
): Capability => ({
  accessMode: { mode },
  accessType: { case: "mount", value: { fsType, mountFlags: [...mountFlags] } }
})

export const blockCapability = (mode: Mode = Mode.SINGLE_NODE_MULTI_WRITER): Capability => ({
  accessMode: { mode },
  accessType: { case: "block", value: {} }
})

export const contextOf = (more: Record<string, string> = {}) => ({ nvmeAddress: address, nvmePort: "4420", ...more })

/** The RPCs as kubelet calls them for a volume. */
export type Driver = Effect.Success<ReturnType<typeof startDriver>>

export const nodeConfig = { nodeId, maxVolumes: 0, deviceTimeout: Duration.seconds(30) }

/** What watches the volumes of a process, on its ports and its lock. */
export type Watching = Layer.Layer<VolumeWatch | NodeEvents, never, Ports | VolumeLock>

const unwatched: Watching = Layer.merge(
  NodeEvents.layerNone,
  Layer.succeed(VolumeWatch, {
    started: () => Effect.void,
    stopped: () => Effect.void,
    condition: () => Effect.succeed({ reconnect: Option.none(), problem: Option.none() })
  })
)

/** A process of the driver on the machine. Watching ends with the scope. */
export const startDriver = Effect.fnUntraced(
  function*(machine: Machine, faults: Faults = () => Effect.succeed("none"), watching: Watching = unwatched) {
    const node = makeNode(nodeConfig)
    const lock = yield* Layer.build(Layer.fresh(VolumeLock.layer))
    const below = Context.merge(faultyPorts(machine.ports, faults), lock)
    const watch = yield* Layer.build(Layer.fresh(watching)).pipe(Effect.provideContext(below))
    const services = Context.merge(below, watch)
    const run = <A, E>(self: Effect.Effect<A, E, NodeServices>) => Effect.provideContext(self, services)
    const wanted = (capability: Capability | null | undefined) =>
      capability === null ? {} : { volumeCapability: capability ?? mountCapability() }
    return {
      stage: (volume: TestVolume, { capability, ...change }: Change = {}) =>
        run(node.nodeStageVolume(create(NodeStageVolumeRequestSchema, {
          volumeId: volume.id,
          stagingTargetPath: volume.stagingPath,
          volumeContext: contextOf(),
          ...wanted(capability),
          ...change
        }))),
      unstage: (volume: TestVolume, change: Change = {}) =>
        run(node.nodeUnstageVolume(create(NodeUnstageVolumeRequestSchema, {
          volumeId: change.volumeId ?? volume.id,
          stagingTargetPath: change.stagingTargetPath ?? volume.stagingPath
        }))),
      publish: (volume: TestVolume, { capability, ...change }: Change = {}) =>
        run(node.nodePublishVolume(create(NodePublishVolumeRequestSchema, {
          volumeId: volume.id,
          stagingTargetPath: volume.stagingPath,
          targetPath: volume.targetPath,
          volumeContext: contextOf(),
          ...wanted(capability),
          ...change
        }))),
      unpublish: (volume: TestVolume, change: Change = {}) =>
        run(node.nodeUnpublishVolume(create(NodeUnpublishVolumeRequestSchema, {
          volumeId: change.volumeId ?? volume.id,
          targetPath: change.targetPath ?? volume.targetPath
        }))),
      stats: (volume: TestVolume, change: Change = {}) =>
        run(node.nodeGetVolumeStats(create(NodeGetVolumeStatsRequestSchema, {
          volumeId: change.volumeId ?? volume.id,
          volumePath: change.volumePath ?? volume.targetPath
        }))),
      expand: (volume: TestVolume, requiredBytes: bigint, { capability, ...change }: Change = {}) =>
        run(node.nodeExpandVolume(create(NodeExpandVolumeRequestSchema, {
          volumeId: change.volumeId ?? volume.id,
          volumePath: change.volumePath ?? volume.targetPath,
          capacityRange: create(CapacityRangeSchema, { requiredBytes, limitBytes: change.limitBytes ?? 0n }),
          ...(capability === undefined ? {} : wanted(capability))
        }))),
      info: run(node.nodeGetInfo()),
      capabilities: run(node.nodeGetCapabilities())
    }
  }
)

/** A machine with one volume and a driver. */
export const setUp = Effect.fnUntraced(function*(options?: { readonly deviceDelayMillis: number }) {
  const machine = yield* makeMachine(options)
  const volume = yield* addVolume(machine)
  return { machine, volume, driver: yield* startDriver(machine) }
})

/** The gRPC status that the call answers. */
export const statusOf = <A, R>(self: Effect.Effect<A, DriverError, R>): Effect.Effect<Status, never, R> =>
  Effect.map(
    Effect.result(self),
    Result.match({
      onSuccess: () => ({ code: "OK" as const, message: "" }),
      onFailure: toStatus
    })
  )

export const codeOf = <A, R>(self: Effect.Effect<A, DriverError, R>): Effect.Effect<StatusCode, never, R> =>
  Effect.map(statusOf(self), ({ code }) => code)

/** Fails the named operation once, as `fault` says. */
export const failOnce = (operation: string, fault: "fail before" | "fail after"): Faults => {
  let left = 1
  return (name) => Effect.sync(() => name === operation && left-- > 0 ? fault : "none")
}

/** Paths with a mount, in order of mounting. */
export const mountedPaths = ({ host }: Machine) => Effect.map(host.table, (table) => table.map(({ path }) => path))

/** The NQNs that the machine is connected to. */
export const connectedTo = ({ initiator }: Machine) =>
  Effect.map(initiator.connections, (connections) => connections.map(({ nqn }) => nqn))

/** Lets other fibers run until they wait, and time pass by a second, again and again. */
export const elapse = Effect.fnUntraced(function*(seconds: number) {
  for (let second = 0; second < seconds; second++) {
    yield* letRun
    yield* TestClock.adjust("1 second")
  }
  yield* letRun
})

/** Lets other fibers run until they wait for the clock. */
export const letRun = Effect.repeat(Effect.yieldNow, { times: 100 })
