import { Context, Effect, Layer, Option } from "effect"
import type { Nqn } from "../../volume/Nqn.ts"
import { v5 } from "../../volume/Uuid.ts"

/** A disk as an appliance exports it. Its content is the appliance's: it outlives every host's connection. */
export interface MemoryExport {
  readonly sizeBytes: bigint
  /** The namespace's UUID. Targets that do not store it make up a new one when they restart. */
  readonly identity: string
  /** Whether hosts can reach it. */
  readonly up: boolean
  /** Whether the subsystem has its namespace; one without answers hosts, and gives them no block device. */
  readonly hasNamespace: boolean
  /** Whether reads of the disk succeed. */
  readonly readable: boolean
  /** What is written on it, as one text; "" is a blank disk. */
  readonly content: string
  /** Where an appliance in another process has the files of its file systems kept. */
  readonly directory: Option.Option<string>
}

/** An appliance in another process, which keeps what is written to its disks. */
export interface RemoteExports {
  /** The export as it is now; None when the appliance exports no such NQN, or is away. */
  find(nqn: Nqn): Effect.Effect<Option.Option<Pick<MemoryExport, "sizeBytes" | "content" | "directory">>>
  /** While the appliance is away nothing is written. */
  write(nqn: Nqn, content: string): Effect.Effect<void>
}

/** The appliance's exports by NQN, for running nodes without one: what a node of `MemoryNvmeFabric` can connect to. */
export class MemoryExports extends Context.Service<MemoryExports, {
  /** The export as the appliance has it now; None when it exports no such NQN. */
  find(nqn: Nqn): Effect.Effect<Option.Option<MemoryExport>>
  /** The export as last seen. */
  peek(nqn: Nqn): Option.Option<MemoryExport>
  /** Changes an export, or adds one. */
  put(nqn: Nqn, change: Partial<MemoryExport>): Effect.Effect<void>
  remove(nqn: Nqn): Effect.Effect<void>
}>()("rds-csi/nvme/MemoryExports") {
  /** Exports that exist because they were `put`. */
  static readonly layer = Layer.sync(MemoryExports, () => registry())

  /** Exports of an appliance elsewhere. While it is away, a host goes on with what was last seen of a disk. */
  static readonly layerOf = (remote: RemoteExports) =>
    Layer.sync(MemoryExports, () => {
      const exports = registry()
      const find = Effect.fnUntraced(function*(nqn: Nqn) {
        const found = yield* remote.find(nqn)
        if (Option.isNone(found)) return Option.none()
        yield* exports.put(nqn, found.value)
        return exports.peek(nqn)
      })
      const put = Effect.fnUntraced(function*(nqn: Nqn, change: Partial<MemoryExport>) {
        if (change.content !== undefined) yield* remote.write(nqn, change.content)
        yield* exports.put(nqn, change)
      })
      return MemoryExports.of({ ...exports, find, put })
    })
}

const registry = () => {
  const exports = new Map<Nqn, MemoryExport>()
  const peek = (nqn: Nqn) => Option.fromUndefinedOr(exports.get(nqn))
  return MemoryExports.of({
    find: (nqn) => Effect.sync(() => peek(nqn)),
    peek,
    put: (nqn, change) =>
      Effect.sync(() => {
        exports.set(nqn, { ...(exports.get(nqn) ?? blank(nqn)), ...change })
      }),
    remove: (nqn) =>
      Effect.sync(() => {
        exports.delete(nqn)
      })
  })
}

const blank = (nqn: Nqn): MemoryExport => ({
  sizeBytes: 0n,
  identity: v5(nqn),
  up: true,
  hasNamespace: true,
  readable: true,
  content: "",
  directory: Option.none()
})
