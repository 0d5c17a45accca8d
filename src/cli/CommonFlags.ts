import { Config, Duration } from "effect"
import { type Command, Flag } from "effect/cli"
import { timeSpan } from "./Values.ts"

/** Where the sidecars and kubelet find the driver. */
const endpoint = Flag.String("endpoint").pipe(
  Flag.withDescription("Socket of the CSI server: unix:///path/csi.sock"),
  Flag.withFallbackConfig(Config.String("CSI_ENDPOINT")),
  Flag.withDefault("unix:///var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock")
)

const driverName = Flag.String("driver-name").pipe(
  Flag.withDescription("Name of the driver, as in the CSIDriver object and in StorageClass.provisioner"),
  Flag.withDefault("rds.csi.srvlab.io")
)

const metricsAddress = Flag.String("metrics-address").pipe(
  Flag.withDescription("Address of /healthz, /readyz and /metrics, such as :9809; empty for none"),
  Flag.withFallbackConfig(Config.String("METRICS_ADDRESS")),
  Flag.withDefault(":9809")
)

const logFormat = Flag.Literals("log-format", ["auto", "json", "pretty"]).pipe(
  Flag.withDescription("auto: pretty on a terminal, JSON lines elsewhere"),
  Flag.withFallbackConfig(Config.Literals(["auto", "json", "pretty"], "LOG_FORMAT")),
  Flag.withDefault("auto" as const)
)

const drainTimeout = timeSpan("drain-timeout").pipe(
  Flag.withDescription("How long running calls may take to end after SIGTERM"),
  Flag.withDefault(Duration.seconds(20))
)

/** Flags of every process that serves CSI. */
export const commonFlags = { endpoint, driverName, metricsAddress, logFormat, drainTimeout }

/** Their values. */
export type CommonFlags = Command.Command.Config.Infer<typeof commonFlags>

/** The Kubernetes node name; the node plugin announces it, the controller publishes to it. */
export const nodeId = Flag.String("node-id").pipe(
  Flag.withDescription("Name of this Kubernetes node"),
  Flag.withFallbackConfig(Config.String("NODE_ID"))
)
