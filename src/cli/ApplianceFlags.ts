import { Config, Duration } from "effect"
import { type Command, Flag } from "effect/cli"
import { ClusterId } from "../volume/OwnershipTag.ts"
import { bytes, timeSpan } from "./Values.ts"

const address = Flag.String("rds-address").pipe(
  Flag.withDescription("Management address of the appliance, for SSH"),
  Flag.withFallbackConfig(Config.String("RDS_ADDRESS"))
)

const port = Flag.Int("rds-port").pipe(
  Flag.withDescription("SSH port of the appliance"),
  Flag.withFallbackConfig(Config.Int("RDS_PORT")),
  Flag.withDefault(22),
  Flag.filter((n) => n >= 1 && n <= 65_535, (n) => `Expected a port from 1 to 65535, got ${n}`)
)

const user = Flag.String("rds-user").pipe(
  Flag.withDescription("RouterOS user; its group needs the policies ssh, read, write and test"),
  Flag.withFallbackConfig(Config.String("RDS_USER")),
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

const basePath = Flag.String("rds-volume-base-path").pipe(
  Flag.withDescription("Directory on the appliance below which every volume lies, such as /storage-pool/metal-csi"),
  Flag.withFallbackConfig(Config.String("RDS_VOLUME_BASE_PATH"))
)

const nvmeAddress = Flag.String("nvme-address").pipe(
  Flag.withDescription(
    "IP address of the appliance's data network, for classes without nvmeAddress; default: --rds-address"
  ),
  Flag.withFallbackConfig(Config.String("RDS_NVME_ADDRESS")),
  Flag.withDefault("")
)

const clusterId = Flag.String("cluster-id").pipe(
  Flag.withDescription("Name of this cluster in the comments on the appliance; unique among clusters that share it"),
  Flag.withFallbackConfig(Config.String("RDS_CLUSTER_ID")),
  Flag.withDefault("default"),
  Flag.filterMap(
    ClusterId.parse,
    (text) => `Expected 1 to 63 letters, digits, ".", "_" or "-", got ${JSON.stringify(text)}`
  )
)

const poolReserve = bytes("pool-reserve").pipe(
  Flag.withDescription("Free space that volumes never use"),
  Flag.withDefault(1n << 30n)
)

const connections = Flag.Int("ssh-connections").pipe(
  Flag.withDescription("SSH connections to the appliance; each runs one command at a time"),
  Flag.withDefault(4),
  Flag.filter((n) => n >= 1 && n <= 4, (n) => `Expected 1 to 4, got ${n}`)
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

const rateLimit = Flag.Int("ssh-rate-limit").pipe(
  Flag.withDescription("Commands per second at most; 0 for no limit"),
  Flag.withDefault(0),
  Flag.filter((n) => n >= 0, (n) => `Expected 0 or more, got ${n}`)
)

const circuitFailures = Flag.Int("circuit-failures").pipe(
  Flag.withDescription("Failed attempts to connect in a row after which calls are refused at once"),
  Flag.withDefault(3),
  Flag.filter((n) => n >= 1, (n) => `Expected 1 or more, got ${n}`)
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
