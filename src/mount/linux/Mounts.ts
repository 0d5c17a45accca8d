import { Effect } from "effect"
import { type CommandResult, HostCommand } from "../../linux/HostCommand.ts"
import { ForeignContent, type MountFailed, type MountTableUnreadable, VolumeInUse } from "../Errors.ts"
import { type BlockDevice, type DeviceNumber, type Mounter, sameDevice } from "../Mounter.ts"
import { damaged } from "./Filesystems.ts"
import type { MountInfo } from "./MountInfo.ts"
import type { MountTable } from "./MountTable.ts"
import { complaint, failed, limits, succeeds } from "./Programs.ts"
import type { Targets } from "./Targets.ts"

type Port = Mounter["Service"]

/** Changes of the mount table, each verified in the table. */
export interface Mounts {
  readonly mount: Port["mount"]
  readonly bind: Port["bind"]
  readonly unmount: Port["unmount"]
  /** Takes all that is mounted at the path out of the table at once, also when the device does not answer. */
  detach(path: string): Effect.Effect<void, MountFailed | MountTableUnreadable>
}

/** Changes by mount(8) and umount(8). */
export const makeMounts = Effect.fnUntraced(function*(table: MountTable, targets: Targets) {
  const command = yield* HostCommand
  const run = (program: string, args: ReadonlyArray<string>) => command.run(program, args, { limit: limits.mount })

  const mount: Port["mount"] = Effect.fnUntraced(function*({ device, path, fsType, flags }) {
    const result = yield* run("mount", ["-t", fsType, "-o", flags.join(",") || "defaults", "--", device.path, path])
      .pipe(Effect.mapError(({ message }) => failed("mount", message)))
    if (result.code !== 0) return yield* refusedMount(device, fsType, result)
    yield* verify("mount", path, device).pipe(Effect.tapError(() => undo(path)))
  })

  /** A mount that pods cannot see would let them write to the directory below it, on the node's own disk. */
  const verify = Effect.fnUntraced(function*(operation: string, path: string, device: DeviceNumber) {
    const top = (yield* look(operation)(table.at(path))).at(-1)
    if (top === undefined || !sameDevice(top.device, device)) {
      return yield* failed(operation, `the volume is not what is mounted at ${path} afterwards`)
    }
    if (yield* look(operation)(table.isOnHost(top))) return top
    const advice = "the plugin's container needs kubelet's directory with mountPropagation Bidirectional"
    return yield* failed(operation, `the host does not see what is mounted at ${path}; ${advice}`)
  })

  const bind: Port["bind"] = Effect.fnUntraced(function*({ source, target, readOnly }) {
    const from = (yield* look("bind")(table.at(source))).at(-1)
    if (from === undefined) return yield* failed("bind", `nothing is mounted at ${source}`)
    const made = yield* targets.makeDirectory(target)
    const place = bindMount(source, target, readOnly, from)
    yield* Effect.tapError(place, () => made ? Effect.ignore(targets.removeDirectory(target)) : Effect.void)
  }, Effect.uninterruptible)

  const bindMount = Effect.fnUntraced(function*(source: string, target: string, readOnly: boolean, from: MountInfo) {
    const isBound = readOnly && !from.readOnly && (yield* bindReadOnly(source, target, from))
    if (!isBound) yield* succeeds("bind")(run("mount", ["--bind", "--", source, target]))
    yield* Effect.tapError(finishBind(target, readOnly, from), () => undo(target))
  })

  /**
   * Linux ignores `ro` in the call that binds (mount(2)), and a remount counts in one mount namespace: after a remount in the
   * plugin's container the host's copy, which pods get, would stay writable. So the source becomes read-only in a namespace
   * that nobody else is in, and is bound there: a copy has its original's options wherever it gets to. Says whether that is here;
   * where namespaces share no mounts it is not, and then no other copy stays writable.
   */
  const bindReadOnly = Effect.fnUntraced(function*(source: string, target: string, from: MountInfo) {
    const before = yield* look("bind")(table.at(target))
    yield* succeeds("bind")(run("unshare", [...shortNamespace, readOnlyOptions(from), source, target]))
    return (yield* look("bind")(table.at(target))).length > before.length
  })

  const finishBind = Effect.fnUntraced(function*(target: string, readOnly: boolean, from: MountInfo) {
    const made = yield* verify("bind", target, from.device)
    if (!readOnly || made.readOnly) return
    yield* succeeds("bind")(run("mount", ["-o", readOnlyOptions(made), "--", target]))
    if (!(yield* verify("bind", target, from.device)).readOnly) {
      return yield* failed("bind", `${target} stayed writable`)
    }
  })

  /** Until the table shows nothing. Each round must take one mount away; paths come from the table, free of links. */
  const unmountAll = Effect.fnUntraced(function*(path: string, options: ReadonlyArray<string>) {
    let left = yield* table.at(path)
    for (let top = left.at(-1); top !== undefined; top = left.at(-1)) {
      const result = yield* run("umount", ["--no-canonicalize", ...options, "--", top.path]).pipe(
        Effect.mapError(({ message }) => failed("unmount", message))
      )
      if (result.code !== 0) yield* refusedUnmount(path, result)
      const now = yield* table.exactlyAt(top.path)
      if (now.length >= left.length) return yield* failed("unmount", `${path} is still mounted afterwards`)
      left = now
    }
  })

  const undo = (path: string) =>
    unmountAll(path, []).pipe(
      Effect.catch(({ message: error }) =>
        Effect.annotateLogs(Effect.logWarning("a failed mount could not be undone"), { path, error })
      )
    )

  return {
    mount,
    bind,
    unmount: (path) => unmountAll(path, []),
    detach: (path) =>
      Effect.catchTag(
        unmountAll(path, ["--lazy"]),
        "VolumeInUse",
        ({ message }) => Effect.fail(failed("unmount", message))
      )
  } satisfies Mounts
})

const bindRemounted = "mount -o \"$1\" -- \"$2\"; mount --bind -- \"$2\" \"$3\""

/** A namespace with the mounts of this one, for two commands. */
const shortNamespace = ["--mount", "--propagation", "unchanged", "sh", "-euc", bindRemounted, "sh"]

/** A remount drops every option that it is not given. */
const readOnlyOptions = ({ options }: MountInfo) =>
  ["remount", "bind", "ro", ...options.filter((option) => option !== "rw")].join(",")

const look = (operation: string) => <A>(self: Effect.Effect<A, MountTableUnreadable>) =>
  Effect.mapError(self, ({ message }) => failed(operation, message))

/** mount(8) gives 32 for whatever mount(2) refuses; the words are those of mount(8) in the C locale. */
const refusedMount = (device: BlockDevice, fsType: string, result: CommandResult) => {
  const text = result.stderr.trim().replaceAll(/\s+/g, " ")
  if (text.includes("Structure needs cleaning")) {
    return damaged(device, text, fsType === "xfs" ? "xfs_repair" : "e2fsck")
  }
  if (!text.includes("wrong fs type")) return failed("mount", complaint(result))
  return new ForeignContent({
    device: device.path,
    message: `${device.path} was not mounted as ${fsType}: see the kernel's log`
  })
}

/** A mount that has gone by itself is no failure: the table has the last word. */
const refusedUnmount = (path: string, result: CommandResult) => {
  if (/\bnot mounted|no mount point specified|mount point not found/.test(result.stderr)) return Effect.void
  return result.stderr.includes("target is busy")
    ? new VolumeInUse({ message: `${path} is busy: a program of the node has files open there, or its directory` })
    : failed("unmount", complaint(result))
}
