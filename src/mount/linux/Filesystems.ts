import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import { HostCommand } from "../../linux/HostCommand.ts"
import type { FsType } from "../../volume/AccessMode.ts"
import { type DeviceUnreadable, FilesystemDamaged, type MountFailed } from "../Errors.ts"
import type { BlockDevice, FilesystemStats } from "../Mounter.ts"
import { complaint, deviceUnreadable, failed, limits, succeeds } from "./Programs.ts"

/** The tools of the file systems. Callers made sure that the device is the one that is meant. */
export interface Filesystems {
  /** Answers the UUID. */
  format(device: BlockDevice, fsType: FsType): Effect.Effect<string, MountFailed>
  check(device: BlockDevice, fsType: FsType): Effect.Effect<void, FilesystemDamaged | DeviceUnreadable | MountFailed>
  /** `path` is where the file system is mounted. */
  grow(device: BlockDevice, path: string, fsType: string): Effect.Effect<void, MountFailed>
  stats(path: string): Effect.Effect<FilesystemStats, MountFailed>
}

/**
 * Nothing is forced: mke2fs without -F refuses a device in use, mkfs.xfs without -f refuses one with a signature. Nothing is
 * discarded: a new volume is a sparse file, so discarding gives back nothing and takes a round trip for each range. ext
 * keeps no blocks for root, as no system runs from a volume. Inode tables of ext4 are left to the kernel, which zeroes them
 * in the background after the mount (1.6 % of the volume would go over the network first); the journal is zeroed here,
 * since mke2fs(8) calls leaving that out a risk.
 */
const formatters: Record<FsType, { readonly program: string; args(uuid: string): ReadonlyArray<string> }> = {
  ext4: {
    program: "mkfs.ext4",
    args: (uuid) => ["-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=0", "-U", uuid]
  },
  ext3: { program: "mkfs.ext3", args: (uuid) => ["-q", "-m", "0", "-E", "nodiscard", "-U", uuid] },
  xfs: { program: "mkfs.xfs", args: (uuid) => ["-q", "-K", "-m", `uuid=${uuid}`] }
}

/** The tools as programs of the host. */
export const makeFilesystems = Effect.gen(function*() {
  const command = yield* HostCommand

  const format = Effect.fnUntraced(function*(device: BlockDevice, fsType: FsType) {
    const { args, program } = formatters[fsType]
    const uuid = yield* Effect.sync(() => randomUUID())
    yield* succeeds("format")(command.run(program, [...args(uuid), "--", device.path], { limit: limits.whole }))
    return uuid
  })

  /** e2fsck(8), "EXIT CODE": a sum of bits. 1 and 2 are repairs, and nothing runs from the volume that 2 would reboot. */
  const checkExt = Effect.fnUntraced(function*(device: BlockDevice) {
    const result = yield* command.run("e2fsck", ["-p", "--", device.path], { limit: limits.whole }).pipe(
      Effect.mapError(({ message }) => failed("check", message))
    )
    const found = result.stdout.trim().split("\n").at(-1)?.trim() || complaint(result)
    const bad = (result.code & e2fsck.uncorrected) !== 0 || superblock.test(result.stderr)
    if (bad) return yield* damaged(device, found, "e2fsck")
    if (inUse.test(result.stdout + result.stderr)) return yield* failed("check", `${device.path} is in use`)
    if ((result.code & e2fsck.cannotOperate) !== 0) return yield* deviceUnreadable(device, found)
    if (result.code > e2fsck.repaired) return yield* failed("check", found)
  })

  const growers = (device: BlockDevice, path: string) => [
    { fsTypes: ["ext4", "ext3"], program: "resize2fs", args: ["--", device.path] },
    { fsTypes: ["xfs"], program: "xfs_growfs", args: ["-d", path] }
  ]

  const grow = Effect.fnUntraced(function*(device: BlockDevice, path: string, fsType: string) {
    const grower = growers(device, path).find(({ fsTypes }) => fsTypes.includes(fsType))
    if (grower === undefined) return yield* failed("grow", `${fsType} at ${path} cannot be grown by this driver`)
    yield* succeeds("grow")(command.run(grower.program, grower.args, { limit: limits.whole }))
  })

  const stats = Effect.fnUntraced(function*(path: string) {
    const args = ["--file-system", "--format=%S %b %f %a %c %d", "--", path]
    const { stdout } = yield* succeeds("statfs")(command.run("stat", args, { limit: limits.quick }))
    const found = parseStats(stdout)
    return Option.isSome(found) ? found.value : yield* failed("statfs", `${stdout.trim()} is not understood`)
  })

  return {
    format,
    // XFS has nothing to check before a mount: mounting replays the log, and refuses what is damaged (fsck.xfs(8)).
    check: (device, fsType) => fsType === "xfs" ? Effect.void : checkExt(device),
    grow,
    stats
  } satisfies Filesystems
})

/** Bits of e2fsck's exit code, and the greatest one that says that all is well now. */
const e2fsck = { repaired: 3, uncorrected: 4, cannotOperate: 8 }

/** It cannot operate on a superblock that it can read and does not believe; nor on a device in use. */
const superblock = /bad magic number|superblock/i
const inUse = /\bis (?:mounted|in use)\b/

/** An error for a person to decide, and how. */
export const damaged = (device: BlockDevice, problem: string, tool: "e2fsck" | "xfs_repair"): FilesystemDamaged =>
  new FilesystemDamaged({
    device: device.path,
    message:
      `the file system on ${device.path} has errors and was not mounted (${problem}); take a snapshot or a copy ` +
      `of the volume, then repair it with ${tool}`
  })

/** Block size, blocks in total, free and free for all, inodes in total and free. */
const parseStats = (text: string): Option.Option<FilesystemStats> => {
  const numbers = text.trim().split(" ")
  const [size, blocks, free, available, inodes, freeInodes] = numbers.map((number) =>
    /^\d+$/.test(number) ? BigInt(number) : undefined
  )
  if (
    size === undefined || blocks === undefined || free === undefined || available === undefined ||
    inodes === undefined || freeInodes === undefined
  ) return Option.none()
  return Option.some({
    totalBytes: blocks * size,
    usedBytes: (blocks - free) * size,
    availableBytes: available * size,
    totalInodes: inodes,
    usedInodes: inodes - freeInodes,
    availableInodes: freeInodes
  })
}
