import { Effect, Layer, Option, Random } from "effect"
import {
  DeviceUnreadable,
  ForeignContent,
  MountFailed,
  StorageExhausted,
  TargetOccupied,
  VolumeInUse
} from "../Errors.ts"
import { type BlockDevice, type FilesystemStats, Mounter, sameDevice } from "../Mounter.ts"
import { BlockDevices } from "./BlockDevices.ts"
import { contentOf, encode, type FilesystemImage } from "./FilesystemImage.ts"
import { type BlockNode, HostPaths, type PathKind, type SystemError } from "./HostPaths.ts"
import { MemoryHost } from "./MemoryHost.ts"

/** `Mounter` on the memory host: the same decisions as on Linux, on the same kinds of state. */
export const layer: Layer.Layer<Mounter, never, MemoryHost | HostPaths | BlockDevices> = Layer.effect(
  Mounter,
  Effect.suspend(() => makeMounter())
)

/** How long a program of the host may wait for I/O. */
const limit = "30 seconds"

const makeMounter = Effect.fnUntraced(function*() {
  const host = yield* MemoryHost
  const paths = yield* HostPaths
  const devices = yield* BlockDevices

  const open = Effect.fnUntraced(function*(device: BlockDevice) {
    const found = Option.filter(yield* devices.find(device), (block) => block.path === device.path)
    return Option.isSome(found) ? found.value : yield* deviceUnreadable(device, "no such device")
  })

  const read = Effect.fnUntraced(function*(device: BlockDevice) {
    const block = yield* open(device)
    return yield* block.read.pipe(
      within(() => ({ message: "timed out" })),
      Effect.mapError(({ message }) => deviceUnreadable(device, message))
    )
  })

  const format = Effect.fnUntraced(function*(device: BlockDevice, fsType: string) {
    const block = yield* open(device)
    const uuid = yield* randomUuid
    yield* block.write(`unfinished ${fsType}`).pipe(
      Effect.andThen(Effect.yieldNow),
      Effect.andThen(
        Effect.flatMap(block.sizeBytes, (sizeBytes) => block.write(encode({ fsType, uuid, sizeBytes, files: {} })))
      ),
      Effect.mapError(({ message }) => failed("format", message))
    )
    return uuid
  })

  const makeTarget = Effect.fnUntraced(function*(target: string) {
    const kind = yield* paths.kind(target)
    if (kind._tag === "Directory") return false
    if (kind._tag !== "Absent") return yield* occupied(target, "is not a directory")
    yield* paths.makeDirectory(target)
    return true
  })

  const bind = Effect.fnUntraced(
    function*(source: string, target: string, readOnly: boolean) {
      const made = yield* makeTarget(target)
      yield* host.bind(source, target, readOnly).pipe(
        Effect.tapError(() => made ? Effect.ignore(paths.removeDirectory(target)) : Effect.void)
      )
    },
    Effect.catchTag("SystemError", (error) => Effect.fail(placing("bind", error))),
    Effect.uninterruptible
  )

  const unmount = Effect.fnUntraced(
    function*(path: string) {
      while ((yield* host.table).some((entry) => entry.path === path)) {
        yield* host.unmount(path)
      }
    },
    Effect.mapError((error) =>
      error.code === "EBUSY"
        ? new VolumeInUse({ message: `${error.message}: a program of the node uses it` })
        : failed("unmount", error.message)
    )
  )

  const forceUnmount = Effect.fnUntraced(function*(path: string) {
    const table = yield* host.table
    const here = table.filter((entry) => entry.path === path)
    const openers = yield* Effect.forEach(here, ({ device }) => host.openers(device))
    const elsewhere = table.filter((entry) =>
      entry.path !== path && here.some(({ device }) => sameDevice(device, entry.device))
    )
    const users = [...elsewhere.map((entry) => `mounted at ${entry.path}`), ...openers.flat()]
    if (users.length > 0) return yield* new VolumeInUse({ message: `${path} is still in use (${users.join(", ")})` })
    yield* unmount(path)
  })

  const makeBlockNode = Effect.fnUntraced(
    function*(target: string, node: BlockNode) {
      const kind = yield* paths.kind(target)
      if (kind._tag === "BlockNode") yield* paths.removeFile(target)
      else if (kind._tag !== "Absent") return yield* occupied(target, "is not a block special file")
      yield* paths.makeBlockNode(target, node)
    },
    Effect.catchTag("SystemError", (error) => Effect.fail(placing("mknod", error))),
    Effect.uninterruptible
  )

  const removeTarget = Effect.fnUntraced(
    function*(path: string) {
      if ((yield* host.table).some((entry) => entry.path === path)) return yield* occupied(path, "is a mount point")
      const kind = yield* paths.kind(path)
      if (kind._tag === "Absent") return
      if (kind._tag === "Directory") return yield* paths.removeDirectory(path)
      if (isData(kind)) return yield* occupied(path, "is a file with content")
      yield* paths.removeFile(path)
    },
    Effect.catchTag("SystemError", (error) =>
      Effect.fail(
        error.code === "ENOTEMPTY"
          ? occupied(error.message, "holds files that are not on the volume")
          : failed("remove", error.message)
      ))
  )

  const mount = Effect.fnUntraced(
    function*({ device, path, fsType, flags }: Parameters<Mounter["Service"]["mount"]>[0]) {
      const block = yield* Effect.mapError(open(device), ({ message }) => failed("mount", message))
      yield* host.mount(block, path, fsType, flags).pipe(
        Effect.mapError((error) =>
          error.code === "EINVAL"
            ? new ForeignContent({ device: device.path, message: error.message })
            : failed("mount", error.message)
        ),
        within(() => failed("mount", `${device.path}: timed out`))
      )
    }
  )

  return Mounter.of({
    probe: (device) => Effect.map(read(device), contentOf),
    format,
    check: (device) => Effect.asVoid(read(device)),
    mount,
    bind: ({ source, target, readOnly }) => bind(source, target, readOnly),
    unmount,
    forceUnmount,
    mounts: host.table,
    mountsAt: (path) => Effect.map(host.table, (table) => table.filter((entry) => entry.path === path)),
    mountsOf: (device) => Effect.map(host.table, (table) => table.filter((entry) => sameDevice(entry.device, device))),
    holders: (device) => host.openers(device),
    setReadOnly: (device, readOnly) => Effect.flatMap(open(device), (block) => block.setReadOnly(readOnly)),
    makeBlockNode: ({ target, device: { major, minor }, readOnly }) =>
      makeBlockNode(target, { major, minor, readOnly }),
    blockNode: (path) =>
      Effect.mapBoth(paths.kind(path), {
        onSuccess: (kind) => kind._tag === "BlockNode" ? Option.some(kind.node) : Option.none(),
        onFailure: ({ message }) => failed("stat", message)
      }),
    removeTarget,
    grow: ({ path }) => Effect.mapError(host.grow(path), ({ message }) => failed("grow", message)),
    stats: (path) =>
      host.filesystemAt(path).pipe(
        Effect.mapBoth({ onSuccess: statsOf, onFailure: ({ message }) => failed("statfs", message) }),
        within(() => failed("statfs", `${path}: timed out`))
      )
  })
})

const deviceUnreadable = (device: BlockDevice, problem: string) =>
  new DeviceUnreadable({ device: device.path, message: `${device.path} cannot be read: ${problem}` })

const failed = (operation: string, problem: string) =>
  new MountFailed({ operation, message: `${operation} failed: ${problem}` })

const occupied = (path: string, problem: string) => new TargetOccupied({ path, message: `${path} ${problem}` })

/** Errors of making something at a target. */
const placing = (operation: string, error: SystemError) =>
  error.code === "ENOSPC" ? new StorageExhausted({ message: error.message }) : failed(operation, error.message)

const isData = (kind: PathKind) => kind._tag === "File" && !kind.empty

const within = <E1>(error: () => E1) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(self, { duration: limit, orElse: () => Effect.fail(error()) })

const randomUuid = Effect.map(
  Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32 - 1), 4),
  (words) =>
    words.map((word) => word.toString(16).padStart(8, "0")).join("")
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
)

/** ext4's default ratio of bytes to inodes (mke2fs.conf(5)). */
const bytesPerInode = 16384n

const statsOf = ({ sizeBytes, files }: FilesystemImage): FilesystemStats => {
  const usedBytes = BigInt(Object.values(files).join("").length)
  const usedInodes = BigInt(Object.keys(files).length)
  const totalInodes = sizeBytes / bytesPerInode
  return {
    totalBytes: sizeBytes,
    usedBytes,
    availableBytes: sizeBytes - usedBytes,
    totalInodes,
    usedInodes,
    availableInodes: totalInodes - usedInodes
  }
}
