import { Clock, Effect, Layer, Option } from "effect"
import { Nqn } from "../../volume/Nqn.ts"
import { ConnectedElsewhere, ConnectFailed, SubsystemNotOurs } from "../Errors.ts"
import { type FabricTarget, NvmeFabric, type Subsystem } from "../NvmeFabric.ts"
import { type MemoryExport, MemoryExports } from "./MemoryExports.ts"
import { type MemoryBlock, type MemoryConnection, MemoryInitiator } from "./MemoryInitiator.ts"

/** `NvmeFabric` on the memory initiator: the same decisions as on Linux, on the same kinds of state. */
export const layer: Layer.Layer<NvmeFabric, never, MemoryInitiator | MemoryExports> = Layer.effect(
  NvmeFabric,
  Effect.suspend(() => makeFabric())
)

const makeFabric = Effect.fnUntraced(function*() {
  const initiator = yield* MemoryInitiator
  const exports = yield* MemoryExports

  const connectionsOf = (nqn: Nqn) =>
    Effect.map(initiator.connections, (all) => all.filter((connection) => connection.nqn === nqn))

  /** A subsystem without a path that works or will work again is in the way of a connect and of no use to anyone. */
  const repair = Effect.fnUntraced(function*(connections: ReadonlyArray<MemoryConnection>) {
    const now = yield* Clock.currentTimeMillis
    const useless = connections.every((connection) =>
      connection.state === "dead" ||
      (connection.state === "live" && Option.isNone(connection.block) && now >= connection.deviceAt)
    )
    if (!useless) return connections
    yield* Effect.forEach(connections, (connection) => initiator.remove(connection.nqn))
    return []
  })

  const connect = Effect.fnUntraced(function*({ nqn, address, port, hostNqn, tuning }: FabricTarget) {
    yield* checkOurs(nqn)
    const [existing] = yield* repair(yield* connectionsOf(nqn))
    if (existing !== undefined) {
      if (existing.address === address && existing.port === port) return { adopted: true }
      return yield* new ConnectedElsewhere({
        nqn,
        message: `this node is connected to subsystem ${nqn} at another address, ${existing.address}; ` +
          "disconnect it there first"
      })
    }
    const found = yield* exports.find(nqn)
    if (!Option.exists(found, ({ up }) => up)) return yield* connectFailed(nqn, "no answer")
    if (!Option.exists(found, letsIn(hostNqn))) return yield* connectFailed(nqn, `${hostNqn} is not let in`)
    yield* initiator.connect({ nqn, address, port, hostNqn, tuning })
    return { adopted: false }
  })

  return NvmeFabric.of({
    connect,
    disconnect: (nqn) => Effect.andThen(checkOurs(nqn), initiator.remove(nqn)),
    device: (nqn) => Effect.map(connectionsOf(nqn), (all) => Option.map(firstBlock(all), deviceOf)),
    controllers: (nqn) => Effect.map(connectionsOf(nqn), (all) => all.map(controllerOf)),
    rescan: (nqn) => initiator.rescan(nqn),
    subsystems: Effect.map(initiator.connections, subsystemsOf),
    glance: Effect.map(initiator.connections, glanceOf)
  })
})

const connectFailed = (nqn: Nqn, problem: string) =>
  new ConnectFailed({ nqn, message: `connecting to subsystem ${nqn} failed: ${problem}` })

const letsIn = (hostNqn: Nqn) => ({ allowedHosts }: MemoryExport) =>
  allowedHosts.length === 0 || allowedHosts.includes(hostNqn)

const checkOurs = (nqn: Nqn) =>
  nqn.startsWith(Nqn.prefix) ? Effect.void : Effect.fail(
    new SubsystemNotOurs({ nqn, message: `subsystem ${nqn} is not one of this driver's; it is left alone` })
  )

const firstBlock = (connections: ReadonlyArray<MemoryConnection>) =>
  Option.firstSomeOf(connections.map((connection) => connection.block))

const deviceOf = ({ path, major, minor, sizeBytes, identity }: MemoryBlock) => ({
  path,
  major,
  minor,
  sizeBytes,
  identity
})

const controllerOf = ({ instance, state, address, port }: MemoryConnection) => ({
  name: `nvme${instance}`,
  state,
  address,
  port
})

/** Of all connections, foreign ones included, as Linux shows them. */
const glanceOf = (connections: ReadonlyArray<MemoryConnection>): string =>
  JSON.stringify(
    connections.map(({ block, instance, state }) => [
      instance,
      state,
      Option.getOrNull(Option.map(block, ({ minor, path }) => `${path} ${minor}`))
    ])
  )

const subsystemsOf = (connections: ReadonlyArray<MemoryConnection>): ReadonlyArray<Subsystem> =>
  [...Map.groupBy(connections.filter(({ nqn }) => nqn.startsWith(Nqn.prefix)), ({ nqn }) => nqn)].map((
    [nqn, mine]
  ) => ({
    nqn,
    controllers: mine.map(controllerOf),
    device: Option.map(firstBlock(mine), deviceOf)
  }))
