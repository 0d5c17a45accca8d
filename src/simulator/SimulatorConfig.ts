import type { Duration } from "effect"
import { harshest, type Unsure } from "./Unsure.ts"

/** A login: its public keys as authorized_keys lines and the RouterOS policies of its group (`ssh` is needed to log in). */
export interface UserConfig {
  readonly name: string
  readonly publicKeys: ReadonlyArray<string>
  readonly policies: ReadonlyArray<string>
}

/** A file system that holds disk images: a raid array or a drive, with `mountPoint` as RouterOS prints it (no slash). */
export interface PoolConfig {
  readonly slot: string
  readonly mountPoint: string
  readonly sizeBytes: bigint
  readonly fs: "xfs" | "btrfs" | "ext4"
  /** Label of the file system. Without one: of Btrfs the slot and `-fs`, as formatting gives it, of others none. */
  readonly label?: string
  /** Array state; `clean` is healthy. */
  readonly state: string
  readonly mounted: boolean
}

export interface SimulatorConfig {
  readonly host: string
  /** TCP port of SSH; 0 takes a free one. */
  readonly port: number
  /** Name in the prompt and in /system/identity. */
  readonly identity: string
  /** As `/system/resource/get version` prints it, e.g. `7.24.4 (stable)`. */
  readonly version: string
  /** Installed and enabled packages beside `routeros`. */
  readonly packages: ReadonlyArray<string>
  readonly users: ReadonlyArray<UserConfig>
  readonly pools: ReadonlyArray<PoolConfig>
  /** Directories that exist on a new device, e.g. `storage-pool/metal-csi`. */
  readonly directories: ReadonlyArray<string>
  /** Time every exec takes before it runs: `fixed` plus a random part of `jitter`. */
  readonly latency: { readonly fixed: Duration.Input; readonly jitter: Duration.Input }
  /** Bytes of a file that `/file/copy` copies in a second; without it copies take no time. */
  readonly copyRate?: bigint
  /** Fault rules in the grammar of Faults.ts, e.g. `cut=during match=/disk/add`. */
  readonly faults: ReadonlyArray<string>
  readonly unsure: Unsure
  /** Private host key in OpenSSH or PEM form; without one an Ed25519 key is made (and kept in the state directory). */
  readonly hostKey?: string
  /** Keeps the device over restarts and holds the images as sparse files. Without one everything is in memory. */
  readonly stateDirectory?: string
  /** Data plane: `none`, or real NVMe/TCP by the Linux kernel's target, which needs root and a state directory. */
  readonly exports: "none" | "nvmet"
  /** Path of the unix socket that takes faults and reboots from people and scripts. */
  readonly controlSocket?: string
}

/** What may be left out of {@link simulatorConfig}; `unsure` may name single points. */
export type SimulatorOptions = Partial<Omit<SimulatorConfig, "unsure">> & { readonly unsure?: Partial<Unsure> }

const terabyte = 1_000_000_000_000n

/**
 * A RouterOS 7.24.4 device with rose-storage and one 16 TB XFS raid `storage-pool`, where `storage-pool/metal-csi`
 * exists, no users, no latency, every unsure point at its harder reading. What `options` names replaces the default whole.
 */
export const simulatorConfig = (options: SimulatorOptions): SimulatorConfig => ({
  host: "127.0.0.1",
  port: 0,
  identity: "RDS",
  version: "7.24.4 (stable)",
  packages: ["rose-storage"],
  users: [],
  pools: [defaultPool],
  directories: ["storage-pool/metal-csi"],
  latency: { fixed: 0, jitter: 0 },
  faults: [],
  exports: "none",
  ...options,
  unsure: { ...harshest, ...options.unsure }
})

export const defaultPool: PoolConfig = {
  slot: "storage-pool",
  mountPoint: "storage-pool",
  sizeBytes: 16n * terabyte,
  fs: "xfs",
  state: "clean",
  mounted: true
}

/** Every policy a group can have (RouterOS manual, User: policies). */
export const policyNames: ReadonlyArray<string> = [
  "local",
  "telnet",
  "ssh",
  "ftp",
  "reboot",
  "read",
  "write",
  "policy",
  "test",
  "winbox",
  "password",
  "web",
  "sniff",
  "sensitive",
  "api",
  "romon",
  "rest-api"
]

/** The policies the driver's group has on a device set up by its documentation. */
export const csiPolicies: ReadonlyArray<string> = ["ssh", "read", "write", "test"]
