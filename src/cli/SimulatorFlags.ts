import { Config, Duration, Option } from "effect"
import { type Command, Flag } from "effect/cli"
import { parseVersion } from "../simulator/device/Version.ts"
import { unsurePoints } from "../simulator/Unsure.ts"
import { bytes, int, timeSpan } from "./Values.ts"

const repeated = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(`${description}. May be given more than once`),
    Flag.atLeast(0)
  )

const host = Flag.String("host").pipe(
  Flag.withDescription("Address to listen on"),
  Flag.withFallbackConfig(Config.String("RDS_SIMULATOR_HOST")),
  Flag.withDefault("127.0.0.1")
)

const port = int("port", { minimum: 0, maximum: 65_535, env: "RDS_SIMULATOR_PORT" }).pipe(
  Flag.withDescription("TCP port of SSH; 0 takes a free one"),
  Flag.withDefault(2222)
)

const identity = Flag.String("identity").pipe(
  Flag.withDescription("Name of the device in its prompt and in /system/identity"),
  Flag.withDefault("RDS")
)

const stateDirectory = Flag.String("state-dir").pipe(
  Flag.withMetavar("<directory>"),
  Flag.withDescription("Keeps the device over restarts, with its images as sparse files; without it all is in memory"),
  Flag.optional
)

const exports = Flag.Literals("exports", ["none", "nvmet"]).pipe(
  Flag.withDescription(
    "Data plane: none (exports are configuration only), or nvmet: real NVMe/TCP by this machine's kernel, on all addresses. " +
      "It needs root, the module nvmet-tcp, and --state-dir on a file system with direct I/O"
  ),
  Flag.withDefault("none")
)

const authorizedKeys = repeated(
  "authorized-key",
  "<user>=<file>",
  "Lets a user log in with the public keys in an authorized_keys file, as csi=~/.ssh/id_ed25519.pub; at least one is needed"
)

const policies = repeated(
  "policies",
  "<user>=<policy,…>",
  "RouterOS policies of a user's group, as csi=ssh,read; without it ssh,read,write,test"
)

const pools = repeated(
  "pool",
  "slot=…,size=…",
  "A pool: slot=NAME,size=16T and, if not the default, fs=xfs|btrfs|ext4, label=TEXT, mount-point=NAME, state=TEXT, mounted=yes|no. " +
    "Suffixes K M G T are binary. Without any: slot=storage-pool with 16 TB of xfs"
)

const directories = repeated(
  "directory",
  "<path>",
  "A directory that exists on the device, as /storage-pool/volumes. Without any: metal-csi on the first pool"
)

const rosVersion = Flag.String("ros-version").pipe(
  Flag.withDescription(
    "RouterOS version, as 7.24.4 or \"7.20.8 (long-term)\"; before 7.21 the NQN of an export cannot be set"
  ),
  Flag.withDefault("7.24.4 (stable)"),
  Flag.filterMap(
    (text) =>
      parseVersion(text) === undefined ? Option.none() : Option.some(text.includes("(") ? text : `${text} (stable)`),
    (text) => `Expected a version such as 7.24.4 or "7.24.4 (stable)", got ${JSON.stringify(text)}`
  )
)

const withoutPackage = Flag.Literals("without-package", ["rose-storage"]).pipe(
  Flag.withDescription("Leaves the package out: its properties and commands are then unknown to the device"),
  Flag.optional
)

const latency = timeSpan("latency").pipe(
  Flag.withDescription("Time every command takes before it runs, as 50ms"),
  Flag.withDefault(Duration.zero)
)

const jitter = timeSpan("jitter").pipe(
  Flag.withDescription("Up to that much more, at random"),
  Flag.withDefault(Duration.zero)
)

const copyRate = bytes("copy-rate").pipe(
  Flag.withDescription("Bytes that /file/copy copies in a second, as 100Mi; 0: copies take no time"),
  Flag.withDefault(0n)
)

const faults = repeated("fault", "<rule>", "A fault rule in the grammar above, as \"cut=after match=/disk/add\"")

const controlSocket = Flag.String("control-socket").pipe(
  Flag.withMetavar("<path>"),
  Flag.withDescription("Unix socket that takes faults, reboots and questions while the device runs; see above"),
  Flag.optional
)

const hostKey = Flag.String("host-key").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription(
    "Private host key in OpenSSH or PEM form. Without it: the one in the state directory, or a new Ed25519 key"
  ),
  Flag.optional
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Says that it is ready as one line of JSON, for scripts"),
  Flag.withDefault(false)
)

const unsureFlag = <const First extends string, const Rest extends ReadonlyArray<string>>(
  name: string,
  point: { readonly values: readonly [First, ...Rest]; readonly meaning: string }
) =>
  Flag.Literals(`unsure-${name}`, point.values).pipe(
    Flag.withDescription(point.meaning),
    Flag.withDefault(point.values[0])
  )

/** Points on which the manual is silent; each default is the reading that is harder on a client. */
const unsure = {
  longSlot: unsureFlag("long-slot", unsurePoints.longSlot),
  existingFile: unsureFlag("existing-file", unsurePoints.existingFile),
  missingDirectory: unsureFlag("missing-directory", unsurePoints.missingDirectory),
  busyFile: unsureFlag("busy-file", unsurePoints.busyFile),
  duplicateNqn: unsureFlag("duplicate-nqn", unsurePoints.duplicateNqn),
  failedExport: unsureFlag("failed-export", unsurePoints.failedExport),
  asValueGaps: unsureFlag("as-value-gaps", unsurePoints.asValueGaps),
  asValueSizes: unsureFlag("as-value-sizes", unsurePoints.asValueSizes),
  parallelChannels: unsureFlag("parallel-channels", unsurePoints.parallelChannels),
  tooManySessions: unsureFlag("too-many-sessions", unsurePoints.tooManySessions),
  lostConnection: unsureFlag("lost-connection", unsurePoints.lostConnection),
  longLine: unsureFlag("long-line", unsurePoints.longLine),
  fileWrite: unsureFlag("file-write", unsurePoints.fileWrite),
  fileContents: unsureFlag("file-contents", unsurePoints.fileContents),
  scriptWrite: unsureFlag("script-write", unsurePoints.scriptWrite),
  executeLostConnection: unsureFlag("execute-lost-connection", unsurePoints.executeLostConnection),
  copyTarget: unsureFlag("copy-target", unsurePoints.copyTarget),
  failedCopy: unsureFlag("failed-copy", unsurePoints.failedCopy),
  copiedExport: unsureFlag("copied-export", unsurePoints.copiedExport),
  btrfsDevices: unsureFlag("btrfs-devices", unsurePoints.btrfsDevices),
  subvolumeParent: unsureFlag("subvolume-parent", unsurePoints.subvolumeParent),
  readOnlyImage: unsureFlag("read-only-image", unsurePoints.readOnlyImage),
  busySubvolume: unsureFlag("busy-subvolume", unsurePoints.busySubvolume),
  snapshottedSubvolume: unsureFlag("snapshotted-subvolume", unsurePoints.snapshottedSubvolume)
}

/** Flags of `rds-csi simulator`. */
export const simulatorFlags = {
  host,
  port,
  authorizedKeys,
  policies,
  hostKey,
  stateDirectory,
  exports,
  controlSocket,
  pools,
  directories,
  identity,
  rosVersion,
  withoutPackage,
  latency,
  jitter,
  copyRate,
  faults,
  json,
  unsure
}

export type SimulatorFlags = Command.Command.Config.Infer<typeof simulatorFlags>
