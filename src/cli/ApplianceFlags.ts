import { Config, Duration, Option, Result } from "effect"
import { type Command, Flag } from "effect/cli"
import { snapshotModes } from "../rds/RdsConfig.ts"
import { validateAddress } from "../volume/NvmeEndpoint.ts"
import { ClusterId } from "../volume/OwnershipTag.ts"
import { validateBase } from "../volume/PathRules.ts"
import { bytes, choice, int, name, reading, timeSpan } from "./Values.ts"

const address = name("rds-address", /^[\x21-\x7e]{1,253}$/, {
  expected: "a host name or address without blanks",
  env: "RDS_ADDRESS"
}).pipe(Flag.withDescription("Management address of the appliance, for SSH"))

const port = int("rds-port", { minimum: 1, maximum: 65_535, env: "RDS_PORT" }).pipe(
  Flag.withDescription("SSH port of the appliance"),
  Flag.withDefault(22)
)

const user = name("rds-user", /^[\x21-\x7e]+$/, { expected: "a name without blanks", env: "RDS_USER" }).pipe(
  Flag.withDescription("RouterOS user; its group needs the policies ssh, read, write and test"),
  Flag.withDefault("admin")
)

const keyFile = Flag.String("rds-key-file").pipe(
  Flag.withDescription("File with the user's private key (Ed25519 or RSA, without passphrase)"),
  Flag.withFallbackConfig(Config.String("RDS_KEY_FILE")),
  Flag.withDefault("/etc/rds-csi/rds-private-key")
)

const hostKeyFile = Flag.String("rds-host-key").pipe(
  Flag.withDescription("File with the appliance's host keys: authorized_keys or known_hosts lines, one or several"),
  Flag.withFallbackConfig(Config.String("RDS_HOST_KEY_FILE")),
  Flag.withDefault("/etc/rds-csi/rds-host-key")
)

const skipHostKeyCheck = Flag.Boolean("insecure-skip-host-key-check").pipe(
  Flag.withAlias("rds-insecure-skip-verify"),
  Flag.withDescription("Accept any host key. Whoever answers on the address can then read and change every command"),
  Flag.withDefault(false)
)

const basePath = reading("rds-volume-base-path", {
  metavar: "<directory>",
  parse: (text) => Result.getSuccess(validateBase(text)),
  expected: "an absolute directory other than /, without . and .., of letters, digits, blanks and !#%+,-./:=@^_{}~",
  env: "RDS_VOLUME_BASE_PATH"
}).pipe(
  Flag.withDescription("Directory on the appliance below which every volume lies, such as /storage-pool/metal-csi")
)

const nvmeAddress = reading("nvme-address", {
  metavar: "<address>",
  parse: (text) => text === "" ? Option.some(text) : Result.getSuccess(validateAddress(text, "nvme-address")),
  expected: "an IPv4 or IPv6 address",
  env: "RDS_NVME_ADDRESS"
}).pipe(
  Flag.withDescription(
    "IP address of the appliance's data network, for classes without nvmeAddress; default: --rds-address"
  ),
  Flag.withDefault("")
)

const clusterId = reading("cluster-id", {
  metavar: "<name>",
  parse: ClusterId.parse,
  expected: "1 to 63 letters, digits, \".\", \"_\" or \"-\"",
  env: "RDS_CLUSTER_ID"
}).pipe(
  Flag.withDescription("Name of this cluster in the comments on the appliance; unique among clusters that share it"),
  Flag.withDefault(ClusterId.fallback)
)

const poolReserve = bytes("pool-reserve").pipe(
  Flag.withDescription("Free space that volumes never use"),
  Flag.withDefault(1n << 30n)
)

const hostAccess = choice("host-access", ["any", "holders"], "RDS_CSI_HOST_ACCESS").pipe(
  Flag.withDescription(
    "Who may connect to a volume at the appliance. any: every host that reaches it. holders: only the nodes that the volume is " +
      "attached to, by nvme-tcp-server-allow-host-name; not confirmed on hardware yet"
  ),
  Flag.withDefault("any" as const)
)

const snapshots = choice("snapshots", snapshotModes, "RDS_CSI_SNAPSHOTS").pipe(
  Flag.withDescription(
    "How snapshots and clones are made: by btrfs where the pool has it, by copies of the backing file elsewhere (auto), by one " +
      "of the two only, or not at all"
  ),
  Flag.withDefault("auto")
)

const connections = int("ssh-connections", { minimum: 1, maximum: 4 }).pipe(
  Flag.withDescription("SSH connections to the appliance; each runs one command at a time"),
  Flag.withDefault(4)
)

const connectTimeout = timeSpan("ssh-connect-timeout").pipe(
  Flag.withDescription("Limit for connecting and logging in"),
  Flag.withDefault(Duration.seconds(10))
)

const readTimeout = timeSpan("ssh-read-timeout").pipe(
  Flag.withDescription("Limit for a command that only reads"),
  Flag.withDefault(Duration.seconds(20))
)

const writeTimeout = timeSpan("ssh-write-timeout").pipe(
  Flag.withDescription(
    "Limit for a command that changes something; allocating or deleting a large file takes its time"
  ),
  Flag.withDefault(Duration.seconds(60))
)

const idleCheck = timeSpan("ssh-idle-check").pipe(
  Flag.withDescription("A connection that was idle this long is checked in the background"),
  Flag.withDefault(Duration.seconds(30))
)

const rateLimit = int("ssh-rate-limit", { minimum: 0 }).pipe(
  Flag.withDescription("Commands per second at most; 0 for no limit"),
  Flag.withDefault(0)
)

const circuitFailures = int("circuit-failures", { minimum: 1 }).pipe(
  Flag.withDescription("Failed attempts to connect in a row after which calls are refused at once"),
  Flag.withDefault(3)
)

const reconnectPause = timeSpan("reconnect-pause").pipe(
  Flag.withDescription("Longest pause between two attempts to reconnect; the first is 250ms"),
  Flag.withDefault(Duration.seconds(10))
)

/** Flags of the processes that talk to the appliance. */
export const applianceFlags = {
  address,
  port,
  user,
  keyFile,
  hostKeyFile,
  skipHostKeyCheck,
  basePath,
  nvmeAddress,
  clusterId,
  poolReserve,
  hostAccess,
  snapshots,
  connections,
  connectTimeout,
  readTimeout,
  writeTimeout,
  idleCheck,
  rateLimit,
  circuitFailures,
  reconnectPause
}

/** Their values. */
export type ApplianceFlags = Command.Command.Config.Infer<typeof applianceFlags>
