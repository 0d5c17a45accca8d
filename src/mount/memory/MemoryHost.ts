import { Context, Effect, Layer, Option, type Scope } from "effect"
import type { DeviceNumber, MountEntry } from "../Mounter.ts"
import { sameDevice } from "../Mounter.ts"
import { BlockDevices, type MemoryBlockDevice } from "./BlockDevices.ts"
import { decode, encode, type FilesystemImage } from "./FilesystemImage.ts"
import { HostPaths, SystemError } from "./HostPaths.ts"

/** A mounted file system, shared by all its mounts. */
interface Superblock {
  readonly device: MemoryBlockDevice
  image: FilesystemImage
  readOnly: boolean
}

/** One mount. Later ones at the same path hide earlier ones. */
interface Mount {
  readonly path: string
  readonly superblock: Superblock
  readonly readOnly: boolean
  openFiles: number
}

/**
 * The mounts and users of one node's devices as its kernel has them, without a kernel: mounts stack, a file system is
 * one however often it is mounted, unmounting takes the top one and is refused while files are open. It outlives
 * restarts of the plugin.
 */
export class MemoryHost extends Context.Service<MemoryHost, {
  /**
   * mount(2) of a device. Stacks, but not on a mount of the same file system: EBUSY (fs/namespace.c). A second XFS of the
   * same UUID is refused unless `nouuid`.
   */
  mount(device: MemoryBlockDevice, path: string, fsType: string, flags: ReadonlyArray<string>): Syscall<void>
  /** mount(2) with MS_BIND, and read-only if asked. Stacks. */
  bind(source: string, target: string, readOnly: boolean): Syscall<void>
  /** umount(2): the top mount only. EBUSY while its files are open. */
  unmount(path: string): Syscall<void>
  /** The mount table in order of mounting. */
  readonly table: Effect.Effect<ReadonlyArray<MountEntry>>
  /** Whoever opened the device itself. */
  openers(device: DeviceNumber): Effect.Effect<ReadonlyArray<string>>
  /** The file system that is seen at the path. */
  filesystemAt(path: string): Syscall<FilesystemImage>
  /** Grows the file system that is seen at the path to its device's size. */
  grow(path: string): Syscall<void>

  /** A program on the node writes a file in the directory, which must be a mount. */
  writeFile(directory: string, name: string, text: string): Syscall<void>
  /** None when there is no such file. */
  readFile(directory: string, name: string): Syscall<Option.Option<string>>
  /** A program writes the whole device through a block special file. */
  writeBlock(path: string, content: string): Syscall<void>
  readBlock(path: string): Syscall<string>
  /** A program keeps a file in the directory open. */
  openFile(directory: string): Effect.Effect<void, SystemError, Scope.Scope>
  /** A program keeps the device open, from whatever mount and PID namespace. */
  openDevice(device: DeviceNumber, program: string): Effect.Effect<void, never, Scope.Scope>
  /** The kernel gives up writing to the file system, as after an I/O error. */
  remountReadOnly(path: string): Syscall<void>
  /** The node restarts: mounts and programs end, directories and device nodes stay. */
  readonly reboot: Effect.Effect<void>
}>()("rds-csi/mount/MemoryHost") {
  static readonly layer = Layer.effect(MemoryHost, Effect.suspend(() => makeHost()))
}

type Syscall<A> = Effect.Effect<A, SystemError>

const systemError = (code: SystemError["code"], message: string) => new SystemError({ code, message })

const makeHost = Effect.fnUntraced(function*() {
  const paths = yield* HostPaths
  const devices = yield* BlockDevices
  let mounts: ReadonlyArray<Mount> = []
  let openers: ReadonlyArray<{ readonly device: DeviceNumber; readonly program: string }> = []

  const top = Effect.fnUntraced(function*(path: string) {
    const mount = mounts.findLast((other) => other.path === path)
    return mount ?? (yield* systemError("EINVAL", `${path}: not a mount point`))
  })

  const superblocks = () => new Set(mounts.map((mount) => mount.superblock))

  const mountedFrom = (device: MemoryBlockDevice) =>
    [...superblocks()].find((superblock) => sameDevice(superblock.device, device))

  const load = Effect.fnUntraced(function*(device: MemoryBlockDevice, fsType: string, flags: ReadonlyArray<string>) {
    const mounted = mountedFrom(device)
    if (mounted !== undefined) return mounted
    const image = Option.filter(decode(yield* io(device.read)), (found) => found.fsType === fsType)
    if (Option.isNone(image)) {
      return yield* systemError("EINVAL", `${device.path}: wrong fs type, bad option, bad superblock`)
    }
    const twin = [...superblocks()].some((other) => other.image.uuid === image.value.uuid)
    if (fsType === "xfs" && twin && !flags.includes("nouuid")) {
      return yield* systemError("EINVAL", `${device.path}: XFS: filesystem has duplicate UUID`)
    }
    return { device, image: image.value, readOnly: flags.includes("ro") }
  })

  const attach = Effect.fnUntraced(function*(path: string, superblock: Superblock, readOnly: boolean) {
    if ((yield* paths.kind(path))._tag !== "Directory") {
      return yield* systemError("ENOENT", `${path}: mount point is not a directory`)
    }
    const { uuid } = superblock.image
    const kept = yield* superblock.device.directory
    yield* paths.expose(path, Option.match(kept, { onNone: () => uuid, onSome: (directory) => `${directory}/${uuid}` }))
    yield* superblock.device.open
    mounts = [...mounts, { path, superblock, readOnly, openFiles: 0 }]
  }, Effect.uninterruptible)

  const detach = Effect.fnUntraced(function*(mount: Mount) {
    mounts = mounts.filter((other) => other !== mount)
    yield* mount.superblock.device.close
    if (!mounts.some((other) => other.path === mount.path)) yield* paths.conceal(mount.path)
  }, Effect.uninterruptible)

  const change = Effect.fnUntraced(function*(superblock: Superblock, image: FilesystemImage) {
    yield* io(superblock.device.write(encode(image)))
    superblock.image = image
  })

  const nodeDevice = Effect.fnUntraced(function*(path: string) {
    const kind = yield* paths.kind(path)
    const device = kind._tag === "BlockNode" ? yield* devices.find(kind.node) : Option.none()
    return Option.isSome(device) ? device.value : yield* systemError("ENOENT", `${path}: no such device`)
  })

  return MemoryHost.of({
    mount: Effect.fnUntraced(function*(device, path, fsType, flags) {
      const loaded = yield* load(device, fsType, flags)
      // Another mount may have loaded it meanwhile.
      const superblock = mountedFrom(device) ?? loaded
      if (mounts.findLast((other) => other.path === path)?.superblock === superblock) {
        return yield* systemError("EBUSY", `${path}: ${device.path} already mounted`)
      }
      yield* attach(path, superblock, flags.includes("ro"))
    }),
    bind: Effect.fnUntraced(function*(source, target, readOnly) {
      const mount = yield* top(source)
      yield* attach(target, mount.superblock, readOnly || mount.readOnly)
    }),
    unmount: Effect.fnUntraced(function*(path) {
      const mount = yield* top(path)
      if (mount.openFiles > 0) return yield* systemError("EBUSY", `${path}: target is busy`)
      yield* detach(mount)
    }),
    table: Effect.sync(() => mounts.map(entryOf)),
    openers: (device) =>
      Effect.sync(() => openers.filter((opener) => sameDevice(opener.device, device)).map(({ program }) => program)),
    filesystemAt: Effect.fnUntraced(function*(path) {
      const { superblock } = yield* top(path)
      yield* io(superblock.device.read)
      return superblock.image
    }),
    grow: Effect.fnUntraced(function*(path) {
      const { superblock } = yield* top(path)
      if (superblock.readOnly) return yield* systemError("EROFS", `${path}: read-only file system`)
      yield* change(superblock, { ...superblock.image, sizeBytes: yield* superblock.device.sizeBytes })
    }),
    writeFile: Effect.fnUntraced(function*(directory, name, text) {
      const { superblock, readOnly } = yield* top(directory)
      if (readOnly || superblock.readOnly) return yield* systemError("EROFS", `${directory}: read-only file system`)
      const { image } = superblock
      yield* change(superblock, { ...image, files: { ...image.files, [name]: text } })
    }),
    readFile: Effect.fnUntraced(function*(directory, name) {
      const { superblock } = yield* top(directory)
      yield* io(superblock.device.read)
      return Option.fromUndefinedOr(superblock.image.files[name])
    }),
    writeBlock: (path, content) => Effect.flatMap(nodeDevice(path), (device) => io(device.write(content))),
    readBlock: (path) => Effect.flatMap(nodeDevice(path), (device) => io(device.read)),
    openFile: Effect.fnUntraced(function*(directory) {
      const mount = yield* top(directory)
      const add = (count: number) =>
        Effect.sync(() => {
          mount.openFiles += count
        })
      yield* Effect.acquireRelease(add(1), () => add(-1))
    }),
    openDevice: Effect.fnUntraced(function*(device, program) {
      const opener = { device, program }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          openers = [...openers, opener]
        }),
        () =>
          Effect.sync(() => {
            openers = openers.filter((other) => other !== opener)
          })
      )
    }),
    remountReadOnly: (path) =>
      Effect.map(top(path), ({ superblock }) => {
        superblock.readOnly = true
      }),
    reboot: Effect.sync(() => {
      mounts = []
      openers = []
    })
  })
})

const io = <A>(self: Effect.Effect<A, { readonly message: string }>) =>
  Effect.mapError(self, ({ message }) => systemError("EIO", message))

const entryOf = ({ path, superblock, readOnly }: Mount): MountEntry => ({
  path,
  device: { major: superblock.device.major, minor: superblock.device.minor },
  fsType: superblock.image.fsType,
  readOnly,
  filesystemReadOnly: superblock.readOnly
})
