import { Duration, Effect, Layer } from "effect"
import { Node } from "../csi/gen/csi_pb.ts"
import { type Rpc, rpcs } from "../csi/GrpcService.ts"
import { makeNode, type NodeServices } from "../csi/Node.ts"
import type { NodeConfig } from "../csi/node/Config.ts"
import * as MemoryKernel from "../csi/node/MemoryKernel.ts"
import { NodeEvents } from "../csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../csi/node/watch/VolumeWatch.ts"
import { HostPaths } from "../mount/memory/HostPaths.ts"
import { StageRecords } from "../mount/StageRecords.ts"
import { MemoryExports } from "../nvme/memory/MemoryExports.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import type { CommonFlags } from "./CommonFlags.ts"
import { Misconfigured } from "./Exit.ts"
import type { NodeFlags } from "./NodeCommand.ts"
import { observability, serveDriver } from "./Serve.ts"
import { simulatedExport } from "./SimulatedExports.ts"

/** Serves Identity and Node until the process is told to stop. */
export const runNode = ({ common, node }: { readonly common: CommonFlags; readonly node: NodeFlags }) =>
  serveDriver(common, { controller: false, rpcs: nodeRpcs(node), components: {} }).pipe(
    Effect.provide(
      nodeServices(node).pipe(Layer.provideMerge(VolumeLock.layer), Layer.provideMerge(observability(common)))
    )
  )

/** The RPCs of the node plugin. */
export const nodeRpcs = ({ deviceTimeout, maxVolumes, nodeId }: NodeFlags): ReadonlyArray<Rpc<NodeServices>> =>
  rpcs(Node, makeNode({ nodeId, maxVolumes, deviceTimeout }))

/** Everything below the RPCs of the node plugin: the simulated kernel, since there is no other yet. */
export const nodeServices = (flags: NodeFlags) =>
  Layer.unwrap(Effect.gen(function*() {
    if (flags.simulatorSocket === "") {
      return yield* new Misconfigured({
        message:
          "--simulator-socket is missing: this version of the node plugin works with the simulator only. It does not " +
          "connect or mount real volumes; keep the node plugin you have"
      })
    }
    yield* Effect.logWarning("connections, file systems and mounts are simulated: no data is kept")
    const { deviceTimeout, maxVolumes, nodeId } = flags
    return volumeWatch({ nodeId, maxVolumes, deviceTimeout }).pipe(Layer.provideMerge(Layer.mergeAll(
      NodeEvents.layerNone,
      StageRecords.layerMemory,
      MemoryKernel.layer({ deviceDelayMillis: 20 }).pipe(
        Layer.provide(MemoryExports.layerOf(simulatedExport(flags.simulatorSocket))),
        Layer.provide(HostPaths.layerReal(`${flags.stateDirectory}/simulated`))
      )
    )))
  }))

const volumeWatch = (node: NodeConfig) =>
  VolumeWatch.layer({ node, pollInterval: Duration.seconds(5), orphanGracePeriod: Duration.minutes(5) })
