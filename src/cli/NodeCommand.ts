import { Config, Duration, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { kubeconfig } from "./AttachmentFlags.ts"
import { commonFlags, nodeId } from "./CommonFlags.ts"
import { choice, int, timeSpan } from "./Values.ts"

const simulatorSocket = Flag.String("simulator-socket").pipe(
  Flag.withDescription(
    "Control socket of a simulator: connections, file systems and mounts are then simulated in memory, for development and " +
      "tests; empty for this machine's own kernel"
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

const nodeEvents = choice("node-events", ["kubernetes", "none"], "RDS_CSI_NODE_EVENTS").pipe(
  Flag.withDescription(
    "Whether what happens to a volume on this node is told in Events of its claim, or in log and metrics only"
  ),
  Flag.withDefault("kubernetes" as const)
)

const watchInterval = timeSpan("watch-interval").pipe(
  Flag.withDescription("Time between two looks at the connections and mounts of the staged volumes"),
  Flag.withDefault(Duration.seconds(5))
)

const orphanGracePeriod = timeSpan("orphan-connection-grace-period").pipe(
  Flag.withDescription(
    "How long a connection to a volume that was never staged here, as after a crash in between, is left alone before it is cut"
  ),
  Flag.withDefault(Duration.minutes(5))
)

/** Flags of the processes that serve the Node service. */
export const nodeFlags = {
  nodeId,
  simulatorSocket,
  stateDirectory,
  maxVolumes,
  deviceTimeout,
  nodeEvents,
  watchInterval,
  orphanGracePeriod
}

/** Their values. */
export type NodeFlags = Command.Command.Config.Infer<typeof nodeFlags>

/** `rds-csi node` */
export const nodeCommand = Command.make(
  "node",
  { common: commonFlags, node: nodeFlags, kubeconfig },
  (flags) => Effect.flatMap(Effect.promise(() => import("./NodeProcess.ts")), ({ runNode }) => runNode(flags))
).pipe(
  Command.withShortDescription("Serve Identity and Node: connect and mount volumes on this machine"),
  Command.withDescription(
    "Serves the CSI services Identity and Node for kubelet. It never talks to the management address."
  )
)
