import { Config, Duration, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { Node } from "../csi/gen/csi_pb.ts"
import { type Rpc, rpcs } from "../csi/GrpcService.ts"
import { makeNode, type NodeServices } from "../csi/Node.ts"
import * as MemoryKernel from "../csi/node/MemoryKernel.ts"
import { HostPaths } from "../mount/memory/HostPaths.ts"
import { StageRecords } from "../mount/StageRecords.ts"
import { MemoryExports } from "../nvme/memory/MemoryExports.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { commonFlags, nodeId } from "./CommonFlags.ts"
import { Misconfigured } from "./Exit.ts"
import { observability, serveDriver } from "./Serve.ts"
import { simulatedExport } from "./SimulatedExports.ts"
import { int, timeSpan } from "./Values.ts"

const simulatorSocket = Flag.String("simulator-socket").pipe(
  Flag.withDescription(
    "Control socket of a simulator: connections, file systems and mounts are then simulated in memory, for development and " +
      "tests. This version has no other back end: without the flag the node plugin does not start"
  ),
  Flag.withFallbackConfig(Config.String("RDS_CSI_SIMULATOR_SOCKET")),
  Flag.withDefault("")
)

const stateDirectory = Flag.String("state-dir").pipe(
  Flag.withDescription("Directory for the plugin's own files; not the directory of the CSI socket"),
  Flag.withFallbackConfig(Config.String("RDS_CSI_STATE_DIR")),
  Flag.withDefault("/var/lib/rds-csi")
)

const maxVolumes = int("max-volumes", { minimum: 0 }).pipe(
  Flag.withDescription("Volumes that Kubernetes may place on this node; 0 for no limit"),
  Flag.withDefault(0)
)

const deviceTimeout = timeSpan("device-timeout").pipe(
  Flag.withDescription("How long a connected volume may take to show its block device, or its new size"),
  Flag.withDefault(Duration.seconds(30))
)

/** Flags of the processes that serve the Node service. */
export const nodeFlags = { nodeId, simulatorSocket, stateDirectory, maxVolumes, deviceTimeout }

/** Their values. */
export type NodeFlags = Command.Command.Config.Infer<typeof nodeFlags>

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
    return Layer.mergeAll(
      StageRecords.layerMemory,
      MemoryKernel.layer({ deviceDelayMillis: 20 }).pipe(
        Layer.provide(MemoryExports.layerOf(simulatedExport(flags.simulatorSocket))),
        Layer.provide(HostPaths.layerReal(`${flags.stateDirectory}/simulated`))
      )
    )
  }))

/** `rds-csi node` */
export const nodeCommand = Command.make(
  "node",
  { common: commonFlags, node: nodeFlags },
  ({ common, node }) =>
    serveDriver(common, { controller: false, rpcs: nodeRpcs(node), components: {} }).pipe(
      Effect.provide(
        Layer.merge(nodeServices(node), VolumeLock.layer).pipe(Layer.provideMerge(observability(common)))
      )
    )
).pipe(
  Command.withShortDescription("Serve Identity and Node: connect and mount volumes on this machine"),
  Command.withDescription(
    "Serves the CSI services Identity and Node for kubelet. It never talks to the management address."
  )
)
