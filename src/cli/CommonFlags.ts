import { Duration, Option, Result } from "effect"
import { type Command, Flag } from "effect/cli"
import { parseEndpoint } from "../csi/Endpoint.ts"
import { parseListenAddress } from "../observability/ListenAddress.ts"
import { choice, name, reading, timeSpan } from "./Values.ts"

const endpoint = reading("endpoint", {
  metavar: "<endpoint>",
  parse: (text) => Result.getSuccess(parseEndpoint(text)),
  expected: "unix:///path/csi.sock, a bare path, or tcp://host:port",
  env: "CSI_ENDPOINT"
}).pipe(
  Flag.withDescription("Socket of the CSI server, where the sidecars and kubelet find it: unix:///path/csi.sock"),
  Flag.withDefault({ _tag: "Unix", path: "/var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock" } as const)
)

/** CSI spec, GetPluginInfoResponse.name: a domain name of at most 63 characters. */
const driverName = name("driver-name", /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/, {
  expected: "at most 63 letters, digits, \".\" or \"-\", with a letter or digit at both ends"
}).pipe(
  Flag.withDescription("Name of the driver, as in the CSIDriver object and in StorageClass.provisioner"),
  Flag.withDefault("rds.csi.srvlab.io")
)

const metricsAddress = reading("metrics-address", {
  metavar: "<address>",
  parse: (text) => Result.getSuccess(parseListenAddress(text)),
  expected: ":port, host:port, [ipv6]:port, or nothing",
  env: "METRICS_ADDRESS"
}).pipe(
  Flag.withDescription("Address of /healthz, /readyz and /metrics, such as :9809; empty for none"),
  Flag.withDefault(Option.some({ host: Option.none(), port: 9809 }))
)

const logFormat = choice("log-format", ["auto", "json", "pretty"], "LOG_FORMAT").pipe(
  Flag.withDescription("auto: pretty on a terminal, JSON lines elsewhere"),
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
export const nodeId = name("node-id", /^[\x21-\x7e]{1,256}$/, {
  expected: "a node's name, of 1 to 256 characters without blanks",
  env: "NODE_ID"
}).pipe(Flag.withDescription("Name of this Kubernetes node"))
