import { Effect, Option } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import { type MountFailed, type StorageExhausted, TargetOccupied } from "../Errors.ts"
import { type DeviceNumber, sameDevice } from "../Mounter.ts"
import { complaint, failed, limits, placing, succeeds } from "./Programs.ts"

/** A block special file. */
type BlockNode = DeviceNumber & { readonly readOnly: boolean }

type Kind =
  | { readonly _tag: "Absent" | "Directory" | "EmptyFile" | "Other" }
  | { readonly _tag: "BlockNode"; readonly node: BlockNode }

/** Directories and device nodes at which volumes are staged and published. Nothing is ever removed recursively. */
export interface Targets {
  /** Makes the directory if nothing is there; says whether it did. */
  makeDirectory(path: string): Effect.Effect<boolean, MountFailed | TargetOccupied | StorageExhausted>
  removeDirectory(path: string): Effect.Effect<void, MountFailed | TargetOccupied>
  makeBlockNode(
    path: string,
    node: BlockNode
  ): Effect.Effect<void, MountFailed | TargetOccupied | StorageExhausted>
  blockNode(path: string): Effect.Effect<Option.Option<BlockNode>, MountFailed>
  /** One directory, node or file without content; nothing may be mounted there. */
  remove(path: string): Effect.Effect<void, MountFailed | TargetOccupied>
}

/** Targets by programs of the host, since a path may lie on a mount that hangs, and Node.js has no mknod(2). */
export const makeTargets = Effect.gen(function*() {
  const command = yield* HostCommand
  const run = (program: string, args: ReadonlyArray<string>) => command.run(program, args, { limit: limits.quick })

  const kind = Effect.fnUntraced(function*(path: string) {
    const result = yield* run("stat", ["--format=%f %t %T %s", "--", path]).pipe(
      Effect.mapError(({ message }) => failed("stat", message))
    )
    if (result.code === 0) return parseKind(result.stdout)
    if (absent.test(result.stderr)) return { _tag: "Absent" } satisfies Kind
    return yield* failed("stat", complaint(result))
  })

  const makeDirectory = Effect.fnUntraced(function*(path: string) {
    const found = yield* kind(path)
    if (found._tag === "Directory") return false
    if (found._tag !== "Absent") return yield* occupied(path, "is not a directory")
    yield* placing("mkdir")(run("mkdir", ["--mode=0750", "--", path]))
    return true
  })

  const removeDirectory = Effect.fnUntraced(function*(path: string) {
    const { code, ...result } = yield* Effect.mapError(
      run("rmdir", ["--", path]),
      ({ message }) => failed("rmdir", message)
    )
    if (code === 0 || absent.test(result.stderr)) return
    if (result.stderr.includes("Directory not empty")) {
      return yield* occupied(path, "holds files that are not on the volume")
    }
    return yield* failed("rmdir", complaint({ code, ...result }))
  })

  const unlink = (path: string) => succeeds("unlink")(run("unlink", ["--", path]))

  /** The mode says whether a pod may write; root may anyway, and is held back by the container runtime's device rules. */
  const makeBlockNode = Effect.fnUntraced(function*(path: string, { major, minor, readOnly }: BlockNode) {
    const found = yield* kind(path)
    if (found._tag === "BlockNode") {
      if (sameDevice(found.node, { major, minor }) && found.node.readOnly === readOnly) return
      yield* unlink(path)
    } else if (found._tag !== "Absent") return yield* occupied(path, "is not a block special file")
    const mode = readOnly ? "0440" : "0660"
    yield* placing("mknod")(run("mknod", [`--mode=${mode}`, "--", path, "b", `${major}`, `${minor}`]))
  })

  const remove = Effect.fnUntraced(function*(path: string) {
    const found = yield* kind(path)
    if (found._tag === "Absent") return
    if (found._tag === "Directory") return yield* removeDirectory(path)
    if (found._tag === "Other") return yield* occupied(path, "is no empty file, directory or block special file")
    yield* unlink(path)
  })

  return {
    makeDirectory,
    removeDirectory,
    makeBlockNode,
    blockNode: (path) =>
      Effect.map(kind(path), (found) => found._tag === "BlockNode" ? Option.some(found.node) : Option.none()),
    remove
  } satisfies Targets
})

const absent = /(?:No such file or directory|Not a directory)$/m

const occupied = (path: string, problem: string) => new TargetOccupied({ path, message: `${path} ${problem}` })

/** The file type in a mode (inode(7)). */
const types = { mask: 0o170000, directory: 0o040000, file: 0o100000, block: 0o060000 }
const writable = 0o222

/** Mode, major, minor in hexadecimal; size. */
const parseKind = (text: string): Kind => {
  const [mode = 0, major = 0, minor = 0] = text.split(" ").map((number) => Number.parseInt(number, 16))
  switch (mode & types.mask) {
    case types.directory:
      return { _tag: "Directory" }
    case types.block:
      return { _tag: "BlockNode", node: { major, minor, readOnly: (mode & writable) === 0 } }
    case types.file:
      return { _tag: text.trim().endsWith(" 0") ? "EmptyFile" : "Other" }
    default:
      return { _tag: "Other" }
  }
}
