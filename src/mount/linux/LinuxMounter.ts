import { Effect, type FileSystem, Layer } from "effect"
import type { HostCommand } from "../../linux/HostCommand.ts"
import { TargetOccupied, VolumeInUse } from "../Errors.ts"
import { type BlockDevice, Mounter } from "../Mounter.ts"
import { makeBlockProbe } from "./BlockProbe.ts"
import { makeFilesystems } from "./Filesystems.ts"
import { makeHostUsers } from "./HostUsers.ts"
import { makeMounts } from "./Mounts.ts"
import { makeMountTable } from "./MountTable.ts"
import { failed } from "./Programs.ts"
import { makeTargets } from "./Targets.ts"
import { makeWriteProtection } from "./WriteProtection.ts"

/** Where the host's proc, sysfs and devices are seen, without a slash at the end. */
export interface HostRoots {
  readonly procRoot: string
  readonly sysRoot: string
  readonly devRoot: string
}

/** For the host itself, and for a container with hostPID and the host's /sys and /dev. */
const ownRoots: HostRoots = { procRoot: "/proc", sysRoot: "/sys", devRoot: "/dev" }

/**
 * `Mounter` on a Linux host, by its programs: blkid, mkfs, e2fsck, mount, umount, mknod and the like. In a container it needs
 * the host's process ids, privileges, and kubelet's directory with propagation in both directions.
 */
export const layer = (
  roots: HostRoots = ownRoots
): Layer.Layer<Mounter, never, HostCommand | FileSystem.FileSystem> => Layer.effect(Mounter, makeMounter(roots))

const makeMounter = Effect.fnUntraced(function*(roots: HostRoots) {
  const table = yield* makeMountTable(roots.procRoot)
  const users = yield* makeHostUsers(roots, table)
  const blocks = yield* makeBlockProbe(roots)
  const filesystems = yield* makeFilesystems
  const protection = yield* makeWriteProtection(roots.sysRoot)
  const targets = yield* makeTargets
  const mounts = yield* makeMounts(table, targets)

  /** The device behind the name, before a program is let loose on the name. */
  const sure = (operation: string, device: BlockDevice) =>
    Effect.mapError(blocks.isSame(device), ({ message }) => failed(operation, message))

  const forceUnmount = Effect.fnUntraced(function*(path: string) {
    for (const mount of yield* table.at(path)) {
      const elsewhere = (yield* table.of(mount.device)).filter((other) => other.path !== mount.path)
      const held = yield* users.of(mount.device, { files: true })
      const all = [...elsewhere.map((other) => `mounted at ${other.path}`), ...held]
      if (all.length > 0) return yield* new VolumeInUse({ message: `${path} is still in use (${all.join(", ")})` })
    }
    yield* mounts.detach(path)
  })

  const removeTarget = Effect.fnUntraced(function*(path: string) {
    const mounted = yield* Effect.mapError(table.at(path), ({ message }) => failed("remove", message))
    if (mounted.length > 0) return yield* new TargetOccupied({ path, message: `${path} is a mount point` })
    yield* targets.remove(path)
  })

  return Mounter.of({
    probe: Effect.fn("Mounter.probe")(blocks.probe),
    format: Effect.fn("Mounter.format")((device, fsType) =>
      Effect.andThen(blocks.isSame(device), filesystems.format(device, fsType))
    ),
    check: Effect.fn("Mounter.check")((device, fsType) =>
      Effect.andThen(blocks.isSame(device), filesystems.check(device, fsType))
    ),
    mount: Effect.fn("Mounter.mount")((options) =>
      Effect.andThen(sure("mount", options.device), mounts.mount(options))
    ),
    bind: Effect.fn("Mounter.bind")(mounts.bind),
    unmount: Effect.fn("Mounter.unmount")(mounts.unmount),
    forceUnmount: Effect.fn("Mounter.forceUnmount")(forceUnmount),
    mounts: table.all,
    mountsAt: table.at,
    mountsOf: table.of,
    holders: Effect.fn("Mounter.holders")((device) => users.of(device, { files: false })),
    setReadOnly: Effect.fn("Mounter.setReadOnly")((device, readOnly) =>
      Effect.andThen(blocks.isSame(device), protection.setReadOnly(device, readOnly))
    ),
    makeBlockNode: Effect.fn("Mounter.makeBlockNode")(({ target, device: { major, minor }, readOnly }) =>
      Effect.uninterruptible(targets.makeBlockNode(target, { major, minor, readOnly }))
    ),
    blockNode: targets.blockNode,
    removeTarget: Effect.fn("Mounter.removeTarget")(removeTarget),
    grow: Effect.fn("Mounter.grow")(({ device, path, fsType }) =>
      Effect.andThen(sure("grow", device), filesystems.grow(device, path, fsType))
    ),
    stats: Effect.fn("Mounter.stats")(filesystems.stats)
  })
})
