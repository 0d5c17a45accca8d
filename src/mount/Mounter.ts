import { Context, type Effect, type Option } from "effect"
import type { FsType } from "../volume/AccessMode.ts"
import type {
  DeviceUnreadable,
  FilesystemDamaged,
  ForeignContent,
  MountFailed,
  MountTableUnreadable,
  StorageExhausted,
  TargetOccupied,
  VolumeInUse
} from "./Errors.ts"

/** The kernel's number of a block device. Unique among the devices that exist now; reused later for others. */
export interface DeviceNumber {
  readonly major: number
  readonly minor: number
}

/** A block device by name and number. */
export interface BlockDevice extends DeviceNumber {
  readonly path: string
}

/** What a device holds. Any signature that is not a file system makes it Foreign; only a device proven blank is Empty. */
export type DeviceContent =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Formatted"; readonly fsType: string; readonly uuid: string }
  | { readonly _tag: "Foreign"; readonly what: string }

/** One line of the mount table (proc(5), `/proc/pid/mountinfo`). */
export interface MountEntry {
  readonly path: string
  readonly device: DeviceNumber
  readonly fsType: string
  /** Of this mount; a bind mount may be read-only on a writable file system. */
  readonly readOnly: boolean
  /** Of the file system: also set by the kernel after an I/O error (`errors=remount-ro`, XFS shutdown). */
  readonly filesystemReadOnly: boolean
}

/** Space of a mounted file system, in bytes and inodes. */
export interface FilesystemStats {
  readonly totalBytes: bigint
  readonly usedBytes: bigint
  readonly availableBytes: bigint
  readonly totalInodes: bigint
  readonly usedInodes: bigint
  readonly availableInodes: bigint
}

/**
 * File systems, mounts and device nodes of the node, as the host sees them. Every method ends within a limit of the
 * layer, and none works on a path that may hang inside this process. Every method can be called again after a crash.
 */
export class Mounter extends Context.Service<Mounter, {
  /** Reads the device itself. A device that cannot be read is an error, never Empty. */
  probe(device: BlockDevice): Effect.Effect<DeviceContent, DeviceUnreadable>
  /** Makes a file system; its UUID. Destroys what is there: only for a device whose `probe` was Empty. */
  format(device: BlockDevice, fsType: FsType): Effect.Effect<string, MountFailed | DeviceUnreadable>
  /**
   * Checks a file system that is mounted nowhere, and repairs what its tool repairs unattended, such as a journal that
   * needs replaying. Fails when a person must decide.
   */
  check(device: BlockDevice, fsType: FsType): Effect.Effect<void, FilesystemDamaged | DeviceUnreadable | MountFailed>
  /** Mounts the device at an existing directory; adds to what is mounted there, so look first. */
  mount(options: {
    readonly device: BlockDevice
    readonly path: string
    readonly fsType: FsType
    readonly flags: ReadonlyArray<string>
  }): Effect.Effect<void, MountFailed | ForeignContent | FilesystemDamaged>
  /**
   * Bind-mounts `source` at `target`, which is made if missing (its parent must exist) and removed again on failure. Adds to
   * what is mounted there, so look first.
   */
  bind(options: {
    readonly source: string
    readonly target: string
    readonly readOnly: boolean
  }): Effect.Effect<void, MountFailed | TargetOccupied | StorageExhausted>
  /** Unmounts until the mount table shows nothing at `path`. Nothing there is success. Never forces. */
  unmount(path: string): Effect.Effect<void, MountFailed | VolumeInUse | MountTableUnreadable>
  /** Everything mounted, in the host's view, in the order of the mount table. */
  readonly mounts: Effect.Effect<ReadonlyArray<MountEntry>, MountTableUnreadable>
  /**
   * Takes everything at `path` out of the mount table although its device does not answer, for a mount at which `unmount`
   * would wait for ever. Fails when anything uses the device apart from these mounts, a file open on it included.
   */
  forceUnmount(path: string): Effect.Effect<void, MountFailed | VolumeInUse | MountTableUnreadable>
  /** Everything mounted exactly at `path`, the visible one last. Links are resolved. */
  mountsAt(path: string): Effect.Effect<ReadonlyArray<MountEntry>, MountTableUnreadable>
  /** Everything mounted from the device, anywhere in the host's view. */
  mountsOf(device: DeviceNumber): Effect.Effect<ReadonlyArray<MountEntry>, MountTableUnreadable>
  /**
   * Whoever uses the device besides mounts: processes of the host that hold it open, device-mapper, swap, each in words
   * for a message. Fails when the host's view cannot be read in full.
   */
  holders(device: DeviceNumber): Effect.Effect<ReadonlyArray<string>, MountTableUnreadable>
  /** Has the kernel refuse writes to the device or accept them (blockdev(8), --setro), until the device goes away. */
  setReadOnly(device: BlockDevice, readOnly: boolean): Effect.Effect<void, MountFailed | DeviceUnreadable>
  /** Makes a block special file of the device at `target` (mknod(2)); a node of another device there is replaced. */
  makeBlockNode(options: {
    readonly target: string
    readonly device: DeviceNumber
    readonly readOnly: boolean
  }): Effect.Effect<void, MountFailed | TargetOccupied | StorageExhausted>
  /** The block special file at `path`; None when there is none, or something else is there. */
  blockNode(path: string): Effect.Effect<Option.Option<DeviceNumber & { readonly readOnly: boolean }>, MountFailed>
  /**
   * Removes an unmounted target: one empty directory, block special file or empty file. Absent is success. Never
   * recursive: anything else is left and an error.
   */
  removeTarget(path: string): Effect.Effect<void, MountFailed | TargetOccupied>
  /** Grows the mounted file system to its device's size; does nothing when it fills it already. */
  grow(options: {
    readonly device: BlockDevice
    readonly path: string
    readonly fsType: string
  }): Effect.Effect<void, MountFailed>
  /** Space of what is mounted at `path`. */
  stats(path: string): Effect.Effect<FilesystemStats, MountFailed>
}>()("rds-csi/mount/Mounter") {}

/** Whether two numbers name the same device. */
export const sameDevice = (a: DeviceNumber, b: DeviceNumber): boolean => a.major === b.major && a.minor === b.minor
