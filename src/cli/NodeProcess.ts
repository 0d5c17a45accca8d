import { Effect, type FileSystem, Layer, type Path } from "effect"
import { Node } from "../csi/gen/csi_pb.ts"
import { type Rpc, rpcs } from "../csi/GrpcService.ts"
import { makeNode, type NodeServices } from "../csi/Node.ts"
import * as MemoryKernel from "../csi/node/MemoryKernel.ts"
import { NodeEvents } from "../csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../csi/node/watch/VolumeWatch.ts"
import { HostCommand } from "../linux/HostCommand.ts"
import * as LinuxMounter from "../mount/linux/LinuxMounter.ts"
import { HostPaths } from "../mount/memory/HostPaths.ts"
import type { Mounter } from "../mount/Mounter.ts"
import { StageRecords } from "../mount/StageRecords.ts"
import * as LinuxNvmeFabric from "../nvme/linux/LinuxNvmeFabric.ts"
import { requireNvmeTcp } from "../nvme/linux/Preflight.ts"
import { MemoryExports } from "../nvme/memory/MemoryExports.ts"
import type { NvmeFabric } from "../nvme/NvmeFabric.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { clusterNeeded, clusterSource } from "./Cluster.ts"
import type { CommonFlags } from "./CommonFlags.ts"
import { CannotServe, Misconfigured } from "./Exit.ts"
import type { NodeFlags } from "./NodeCommand.ts"
import { observability, serveDriver } from "./Serve.ts"
import { simulatedExports } from "./SimulatedExports.ts"

/** Values of the flags of a process that serves the Node service. */
export interface NodeProcessFlags {
  readonly common: CommonFlags
  readonly node: NodeFlags
  readonly kubeconfig: string
}

/** Serves Identity and Node until the process is told to stop. */
export const runNode = (flags: NodeProcessFlags) =>
  serveDriver(flags.common, { controller: false, rpcs: nodeRpcs(flags.node), components: {} }).pipe(
    Effect.provide(
      nodeServices(flags).pipe(Layer.provideMerge(VolumeLock.layer), Layer.provideMerge(observability(flags.common)))
    )
  )

/** The RPCs of the node plugin. */
export const nodeRpcs = (flags: NodeFlags): ReadonlyArray<Rpc<NodeServices>> => rpcs(Node, makeNode(nodeConfig(flags)))

const nodeConfig = ({ deviceTimeout, maxVolumes, nodeId }: NodeFlags) => ({ nodeId, maxVolumes, deviceTimeout })

/** Everything below the RPCs of the node plugin, on this machine's kernel or on a simulated one. */
export const nodeServices = (flags: NodeProcessFlags) =>
  VolumeWatch.layer({
    node: nodeConfig(flags.node),
    pollInterval: flags.node.watchInterval,
    orphanGracePeriod: flags.node.orphanGracePeriod
  }).pipe(
    Layer.provideMerge(kernel(flags.node)),
    Layer.provideMerge(events(flags))
  )

const kernel = (
  flags: NodeFlags
): Layer.Layer<
  NvmeFabric | Mounter | StageRecords,
  CannotServe | Misconfigured,
  FileSystem.FileSystem | Path.Path
> => flags.simulatorSocket === "" ? linux(flags) : simulated(flags)

const events = (flags: NodeProcessFlags): Layer.Layer<NodeEvents, Misconfigured, FileSystem.FileSystem> =>
  flags.node.nodeEvents === "none" ? NodeEvents.layerNone : kubernetesEvents(flags)

const linux = ({ stateDirectory }: NodeFlags) =>
  Layer.unwrap(Effect.gen(function*() {
    const version = yield* Effect.catchTag(
      requireNvmeTcp(LinuxNvmeFabric.defaults),
      "NvmeTcpUnavailable",
      ({ message }) => Effect.fail(new CannotServe({ message }))
    )
    yield* Effect.logInfo(`this node can use NVMe/TCP: ${version}`)
    const records = Layer.catchTag(StageRecords.layerFiles(stateDirectory), "StageRecordFailed", unusableStateDirectory)
    return Layer.mergeAll(records, LinuxNvmeFabric.layer(LinuxNvmeFabric.defaults), LinuxMounter.layer())
  })).pipe(Layer.provide(HostCommand.layer))

const simulated = ({ simulatorSocket, stateDirectory }: NodeFlags) =>
  Layer.mergeAll(
    Layer.effectDiscard(
      Effect.logWarning(
        "connections, file systems and mounts are simulated: the simulated appliance keeps what data there is"
      )
    ),
    StageRecords.layerMemory,
    MemoryKernel.layer({ deviceDelayMillis: 20 }).pipe(
      Layer.provide(MemoryExports.layerOf(simulatedExports(simulatorSocket))),
      Layer.provide(HostPaths.layerReal(`${stateDirectory}/simulated`))
    )
  ).pipe(Layer.catchTag("PlatformError", unusableStateDirectory))

const unusableStateDirectory = ({ message }: { readonly message: string }) =>
  Layer.effectContext(Effect.fail(new Misconfigured({ message: `--state-dir: ${message}` })))

const kubernetesEvents = ({ common, kubeconfig, node }: NodeProcessFlags) =>
  Layer.unwrap(Effect.gen(function*() {
    // A process without a cluster never loads this.
    const { NodeEventRecorder } = yield* Effect.promise(() => import("../kubernetes/NodeEventRecorder.ts"))
    const recorder = NodeEventRecorder.layer({
      source: clusterSource(kubeconfig),
      driver: common.driverName,
      nodeId: node.nodeId
    })
    const events = Layer.effect(
      NodeEvents,
      Effect.map(NodeEventRecorder, ({ post }) =>
        NodeEvents.of({
          publish: ({ message, reason, volumeId }) =>
            post(volumeId, {
              type: reason.endsWith("Recovery") ? "Normal" : "Warning",
              reason,
              message: `[${volumeId}] on ${node.nodeId}: ${message}`
            })
        }))
    )
    return Layer.provide(events, recorder)
  })).pipe(Layer.catchTag("KubeConfigInvalid", clusterNeeded("--node-events=none")))
