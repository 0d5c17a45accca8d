import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import type { ConnectionTuning } from "../../volume/ConnectionTuning.ts"
import type { Nqn } from "../../volume/Nqn.ts"
import type { ControllerState } from "../NvmeFabric.ts"
import { MemoryExports } from "./MemoryExports.ts"

/** The kernel's EIO. */
export class InputOutputError extends Schema.TaggedError<InputOutputError>()("InputOutputError", {
  message: Schema.String
}) {}

/** A block device of a namespace. It stays what it is for those who hold it open, also when its controller is gone. */
export interface MemoryBlock {
  readonly path: string
  readonly major: number
  readonly minor: number
  readonly nqn: Nqn
  readonly identity: string
  /** As the kernel last read it from the target. */
  sizeBytes: bigint
  gone: boolean
  /** Opens, mounts included. The number is given to another device only when there are none. */
  holders: number
}

/** A controller of a subsystem. */
export interface MemoryConnection {
  readonly nqn: Nqn
  readonly instance: number
  readonly address: string
  readonly port: number
  readonly hostNqn: string
  readonly tuning: ConnectionTuning
  state: ControllerState
  lostAt: number
  seenDownAt: number
  /** When the kernel shows the namespace's block device. */
  readonly deviceAt: number
  block: Option.Option<MemoryBlock>
}

/** What a connect asks for. */
export type MemoryConnect = Pick<MemoryConnection, "nqn" | "address" | "port" | "hostNqn" | "tuning">

/**
 * The NVMe/TCP initiator of one node's kernel, without a kernel: controllers that lose their target, wait (`connecting`)
 * and come back or give up, and block devices whose names and numbers are the lowest free ones, so that they change hands
 * as they do on Linux. Time is the Clock's. It outlives restarts of the plugin.
 */
export class MemoryInitiator extends Context.Service<MemoryInitiator, {
  /** Every connection of the node as it is now, foreign ones included. */
  readonly connections: Effect.Effect<ReadonlyArray<MemoryConnection>>
  connect(request: MemoryConnect): Effect.Effect<void>
  /** Removes the controllers of the NQN. I/O to their devices fails from now on. */
  remove(nqn: Nqn): Effect.Effect<void>
  /** Reads the namespace's size from the target again. */
  rescan(nqn: Nqn): Effect.Effect<void>
  /** The node's block device with this number, if there is one. */
  block(number: { readonly major: number; readonly minor: number }): Effect.Effect<Option.Option<MemoryBlock>>
  /** The disk's content. Waits while the target is away, as the kernel queues I/O. */
  read(block: MemoryBlock): Effect.Effect<string, InputOutputError>
  write(block: MemoryBlock, content: string): Effect.Effect<void, InputOutputError>
  /** The target forgot this host, and the kernel did not notice: the controller stays, dead. */
  kill(nqn: Nqn): Effect.Effect<void>
  /** The node restarts: no connections, no devices, numbers from the start. */
  readonly reboot: Effect.Effect<void>
}>()("rds-csi/nvme/MemoryInitiator") {
  /** `deviceDelayMillis`: how long after a connect the block device shows up. */
  static readonly layer = (options: { readonly deviceDelayMillis: number }) =>
    Layer.effect(MemoryInitiator, makeInitiator(options.deviceDelayMillis))
}

/** Linux's major number for block devices whose driver's own minors have run out, as NVMe namespaces use it. */
const blockExtMajor = 259
/** The kernel's NVMF_DEF_CTRL_LOSS_TMO, in seconds, for connects that ask for 0. */
const defaultCtrlLossTmo = 600
const ioPoll = "100 millis"

const makeInitiator = Effect.fnUntraced(function*(deviceDelayMillis: number) {
  const exports = yield* MemoryExports
  let connections: ReadonlyArray<MemoryConnection> = []
  let blocks: ReadonlyArray<MemoryBlock> = []

  const isUp = (nqn: Nqn) => Option.exists(exports.peek(nqn), (found) => found.up)

  const drop = (connection: MemoryConnection) => {
    connections = connections.filter((other) => other !== connection)
    Option.map(connection.block, (block) => {
      block.gone = true
    })
  }

  const follow = (connection: MemoryConnection, now: number) => {
    if (connection.state === "dead") return
    if (!isUp(connection.nqn)) {
      if (connection.state === "live") connection.lostAt = now
      connection.state = "connecting"
      connection.seenDownAt = now
    } else if (connection.state === "connecting" && now >= nextAttempt(connection)) {
      connection.state = "live"
    }
    if (connection.state === "connecting" && now - connection.lostAt >= lossLimit(connection.tuning)) drop(connection)
  }

  /** A namespace with another identity is another device to the kernel, even behind the same controller. */
  const showDevice = (connection: MemoryConnection, now: number) => {
    const found = Option.filter(exports.peek(connection.nqn), (seen) => seen.hasNamespace && seen.up)
    if (connection.state !== "live" || Option.isNone(found) || now < connection.deviceAt) return
    const { identity, sizeBytes } = found.value
    if (Option.exists(connection.block, (block) => block.identity === identity)) return
    Option.map(connection.block, (block) => {
      block.gone = true
    })
    sweep()
    const held = blocks.filter((block) => block.path.startsWith(`/dev/nvme${connection.instance}n`))
    const namespace = lowestFree(held.map((block) => Number(block.path.split("n").at(-1))), 1)
    const block = {
      path: `/dev/nvme${connection.instance}n${namespace}`,
      major: blockExtMajor,
      minor: lowestFree(blocks.map((other) => other.minor), 0),
      nqn: connection.nqn,
      identity,
      sizeBytes,
      gone: false,
      holders: 0
    }
    blocks = [...blocks, block]
    connection.block = Option.some(block)
  }

  const sweep = () => {
    blocks = blocks.filter((block) => !block.gone || block.holders > 0)
  }

  const settle = Effect.map(Clock.currentTimeMillis, (now) => {
    for (const connection of connections) {
      follow(connection, now)
      showDevice(connection, now)
    }
    sweep()
  })

  const ofNqn = (nqn: Nqn) => connections.filter((connection) => connection.nqn === nqn)

  const usable = Effect.fnUntraced(function*(block: MemoryBlock) {
    for (;;) {
      yield* settle
      const paths = ofNqn(block.nqn).filter((connection) => connection.state !== "dead")
      if (block.gone || paths.length === 0) {
        return yield* new InputOutputError({ message: `${block.path}: input/output error` })
      }
      if (paths.some((connection) => connection.state === "live")) return
      yield* Effect.sleep(ioPoll)
    }
  })

  return MemoryInitiator.of({
    connections: Effect.andThen(settle, Effect.sync(() => connections)),
    connect: Effect.fnUntraced(function*(request) {
      const now = yield* Clock.currentTimeMillis
      sweep()
      const taken = [...connections.map((other) => other.instance), ...blocks.map(instanceOf)]
      connections = [...connections, {
        ...request,
        instance: lowestFree(taken, 0),
        state: "live",
        lostAt: 0,
        seenDownAt: 0,
        deviceAt: now + deviceDelayMillis,
        block: Option.none()
      }]
    }),
    remove: (nqn) => Effect.sync(() => ofNqn(nqn).forEach(drop)),
    rescan: Effect.fnUntraced(function*(nqn) {
      const found = yield* exports.find(nqn)
      for (const connection of ofNqn(nqn)) {
        if (connection.state !== "live" || Option.isNone(found) || Option.isNone(connection.block)) continue
        connection.block.value.sizeBytes = found.value.sizeBytes
      }
    }),
    block: ({ major, minor }) =>
      Effect.map(
        settle,
        () => Option.fromUndefinedOr(blocks.find((block) => block.major === major && block.minor === minor))
      ),
    read: Effect.fnUntraced(function*(block) {
      yield* usable(block)
      const now = yield* exports.find(block.nqn)
      const found = Option.filter(Option.orElse(now, () => exports.peek(block.nqn)), (disk) => disk.readable)
      if (Option.isSome(found)) return found.value.content
      return yield* new InputOutputError({ message: `${block.path}: unrecovered read error` })
    }),
    write: Effect.fnUntraced(function*(block, content) {
      yield* usable(block)
      yield* exports.put(block.nqn, { content })
    }),
    kill: (nqn) =>
      Effect.sync(() =>
        ofNqn(nqn).forEach((connection) => {
          connection.state = "dead"
        })
      ),
    reboot: Effect.sync(() => {
      connections.forEach(drop)
      blocks = []
    })
  })
})

const lossLimit = ({ ctrlLossTmo }: ConnectionTuning) =>
  ctrlLossTmo < 0 ? Number.POSITIVE_INFINITY : 1000 * (ctrlLossTmo === 0 ? defaultCtrlLossTmo : ctrlLossTmo)

/** The kernel tries every `reconnectDelay` seconds after the loss; this is the first attempt not known to have failed. */
const nextAttempt = ({ lostAt, seenDownAt, tuning }: MemoryConnection) => {
  const delay = 1000 * tuning.reconnectDelay
  return lostAt + Math.max(1, Math.ceil((seenDownAt - lostAt) / delay)) * delay
}

const instanceOf = (block: MemoryBlock) => Number(/^\/dev\/nvme(\d+)n/.exec(block.path)?.[1])

const lowestFree = (taken: ReadonlyArray<number>, from: number): number => {
  let candidate = from
  while (taken.includes(candidate)) candidate += 1
  return candidate
}
