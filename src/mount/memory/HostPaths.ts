import { Context, Effect, FileSystem, Layer, Option, Path, type PlatformError, Schema } from "effect"
import { rmdir } from "node:fs/promises"
import type { DeviceNumber } from "../Mounter.ts"

const codes = Schema.Literals(["EBUSY", "EEXIST", "EINVAL", "EIO", "ENOENT", "ENOSPC", "ENOTEMPTY", "EROFS"])

/** What a system call of the memory host failed with (errno(3)). */
export class SystemError extends Schema.TaggedError<SystemError>()("SystemError", {
  code: codes,
  message: Schema.String
}) {}

/** A block special file. */
export interface BlockNode extends DeviceNumber {
  readonly readOnly: boolean
}

/** What is at a path, mounts aside. */
export type PathKind =
  | { readonly _tag: "Absent" | "Directory" }
  | { readonly _tag: "File"; readonly empty: boolean }
  | {
    readonly _tag: "BlockNode"
    readonly node: BlockNode
  }

/** The directories and device nodes under which volumes are staged and published. */
export class HostPaths extends Context.Service<HostPaths, {
  kind(path: string): Effect.Effect<PathKind, SystemError>
  makeDirectory(path: string): Effect.Effect<void, SystemError>
  makeBlockNode(path: string, node: BlockNode): Effect.Effect<void, SystemError>
  /** ENOTEMPTY if anything is in it. */
  removeDirectory(path: string): Effect.Effect<void, SystemError>
  removeFile(path: string): Effect.Effect<void, SystemError>
  /** Lets everybody see a file system at the directory: the one with this name, or what is in this absolute directory. */
  expose(path: string, root: string): Effect.Effect<void, SystemError>
  /** Undoes `expose`: the directory is there again, empty. */
  conceal(path: string): Effect.Effect<void, SystemError>
}>()("rds-csi/mount/HostPaths") {
  /** Paths that exist for the memory host only. */
  static readonly layerMemory = Layer.sync(HostPaths, () => memoryPaths())

  /**
   * Paths of the machine this runs on, for development without root: a mount is a symbolic link to
   * `<data>/<name of the file system>`, a block special file is a regular file that names its device.
   */
  static readonly layerReal = (data: string) => Layer.effect(HostPaths, realPaths(data))
}

const fail = (code: SystemError["code"], path: string) =>
  Effect.fail(new SystemError({ code, message: `${path}: ${code}` }))

const memoryPaths = () => {
  const paths = new Map<string, PathKind>()
  const kindOf = (path: string): PathKind => paths.get(path) ?? { _tag: "Absent" }
  const make = (path: string, kind: PathKind) =>
    Effect.suspend(() => {
      if (paths.has(path)) return fail("EEXIST", path)
      paths.set(path, kind)
      return Effect.void
    })
  const remove = (path: string) => Effect.suspend(() => paths.delete(path) ? Effect.void : fail("ENOENT", path))
  return HostPaths.of({
    kind: (path) => Effect.sync(() => kindOf(path)),
    makeDirectory: (path) => make(path, { _tag: "Directory" }),
    makeBlockNode: (path, node) => make(path, { _tag: "BlockNode", node }),
    removeDirectory: (path) =>
      Effect.suspend(() =>
        [...paths.keys()].some((other) => other.startsWith(`${path}/`)) ? fail("ENOTEMPTY", path) : remove(path)
      ),
    removeFile: remove,
    expose: () => Effect.void,
    conceal: () => Effect.void
  })
}

const realPaths = Effect.fnUntraced(function*(data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(data, { recursive: true })

  const kind = Effect.fnUntraced(function*(target: string) {
    const info = yield* Effect.option(fs.stat(target))
    if (Option.isNone(info)) return { _tag: "Absent" } as const
    if (info.value.type === "Directory") return { _tag: "Directory" } as const
    return fileKind(info.value.size > maxNodeText ? "other" : yield* fs.readFileString(target))
  })

  const isLink = (target: string) => Effect.isSuccess(fs.readLink(target))

  /** A link left by a process that was killed counts as the directory that it stands for. */
  const removeDirectory = Effect.fnUntraced(function*(target: string) {
    if (yield* isLink(target)) return yield* fs.remove(target)
    yield* Effect.tryPromise({ try: () => rmdir(target), catch: systemErrorOf })
  })

  return HostPaths.of({
    kind: (target) => system(kind(target)),
    makeDirectory: (target) => system(fs.makeDirectory(target, { mode: 0o750 })),
    makeBlockNode: (target, { major, minor, readOnly }) =>
      system(fs.writeFileString(target, `block ${major}:${minor} ${readOnly ? "ro" : "rw"}\n`, { flag: "wx" })),
    removeDirectory: (target) => system(removeDirectory(target)),
    removeFile: (target) => system(fs.remove(target)),
    expose: Effect.fnUntraced(function*(target, name) {
      const root = path.resolve(data, name)
      yield* fs.makeDirectory(root, { recursive: true })
      yield* removeDirectory(target)
      yield* fs.symlink(root, target)
    }, system),
    conceal: Effect.fnUntraced(function*(target) {
      if (!(yield* isLink(target))) return
      yield* fs.remove(target)
      yield* fs.makeDirectory(target, { mode: 0o750 })
    }, system)
  })
})

const nodeText = /^block (\d+):(\d+) (ro|rw)\n$/
const maxNodeText = 64n

const fileKind = (content: string): PathKind => {
  const [, major, minor, access] = nodeText.exec(content) ?? []
  return major === undefined
    ? { _tag: "File", empty: content === "" }
    : { _tag: "BlockNode", node: { major: Number(major), minor: Number(minor), readOnly: access === "ro" } }
}

const system = <A, R>(self: Effect.Effect<A, PlatformError.PlatformError | SystemError, R>) =>
  Effect.catchTag(self, "PlatformError", ({ reason }) => Effect.fail(systemErrorOf(reason.cause)))

const isErrno = Schema.is(Schema.Struct({ code: codes, message: Schema.String }))

const systemErrorOf = (cause: unknown) =>
  isErrno(cause)
    ? new SystemError({ code: cause.code, message: cause.message })
    : new SystemError({ code: "EIO", message: String(cause) })
