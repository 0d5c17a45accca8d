import { Clock, Duration, Effect, type FileSystem, Layer, Option, Ref, Schedule } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import { Nqn } from "../../volume/Nqn.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { ConnectedElsewhere, ConnectFailed, DisconnectFailed, SubsystemNotOurs } from "../Errors.ts"
import { type Controller, type FabricTarget, NvmeFabric } from "../NvmeFabric.ts"
import { type Endpoint, sameEndpoint } from "./Endpoint.ts"
import * as NvmeCli from "./NvmeCli.ts"
import { type Connection, makeSysfs, type SysfsOptions } from "./Sysfs.ts"
import { judge, type Verdict } from "./Verdict.ts"

export interface LinuxNvmeFabricOptions extends SysfsOptions {
  /** The limit of `nvme connect`. The kernel itself gives an unreachable address two minutes. */
  readonly connectLimit: Duration.Input
  /** The limit of `nvme disconnect`, and then again of the wait for the kernel to show that the subsystem is gone. */
  readonly disconnectLimit: Duration.Input
  /** How long a live connection may have no block device before it counts as broken and is made afresh. */
  readonly deviceGrace: Duration.Input
}

/** For a host's own /sys and /dev. */
export const defaults: LinuxNvmeFabricOptions = {
  sysRoot: "/sys",
  devRoot: "/dev",
  readLimit: "5 seconds",
  connectLimit: "30 seconds",
  disconnectLimit: "20 seconds",
  deviceGrace: "10 seconds"
}

/** `NvmeFabric` on the Linux kernel's NVMe/TCP initiator: looked at through sysfs, changed through nvme-cli. */
export const layer = (
  options: LinuxNvmeFabricOptions
): Layer.Layer<NvmeFabric, never, HostCommand | FileSystem.FileSystem> => Layer.effect(NvmeFabric, makeFabric(options))

const makeFabric = Effect.fnUntraced(function*(options: LinuxNvmeFabricOptions) {
  const commands = yield* HostCommand
  const sysfs = yield* makeSysfs(options)
  const unsure = yield* Ref.make<ReadonlyMap<Nqn, Endpoint>>(new Map())

  /**
   * The controllers of the subsystem. After a connect of unknown outcome, those at its address that the kernel cannot name
   * yet count as well: a connection that is on its way must not be taken for none.
   */
  const controllersOf = Effect.fnUntraced(function*(nqn: Nqn) {
    const { identified, unidentified } = yield* sysfs.controllers((other) => other === nqn)
    const own = identified.map(({ controller }) => controller)
    const endpoint = (yield* Ref.get(unsure)).get(nqn)
    if (endpoint === undefined) return own
    const coming = unidentified.filter((controller) => sameEndpoint(controller, endpoint))
    if (coming.length === 0) yield* Ref.update(unsure, (all) => new Map([...all].filter(([key]) => key !== nqn)))
    return [...own, ...coming]
  })

  const connectionOf = (nqn: Nqn) => Effect.flatMap(controllersOf(nqn), (found) => sysfs.connection(nqn, found))

  /** What is there for the target, once it is not merely waiting for its block device. */
  const existing = Effect.fnUntraced(function*(target: FabricTarget) {
    const giveUp = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(options.deviceGrace))
    for (;;) {
      const connection = yield* connectionOf(target.nqn)
      const verdict = judge(connection, target)
      if (verdict !== "Empty" || (yield* Clock.currentTimeMillis) >= giveUp) return { connection, verdict }
      yield* Effect.sleep(pollInterval)
    }
  })

  const remove = Effect.fnUntraced(function*(nqn: Nqn) {
    if ((yield* controllersOf(nqn)).length === 0) return
    const said = yield* NvmeCli.disconnect(nqn, options.disconnectLimit)
    const gone = Effect.flatMap(
      controllersOf(nqn),
      (left) => left.length === 0 ? Effect.void : stillThere(nqn, left, said)
    )
    const schedule = Schedule.spaced(pollInterval).pipe(Schedule.upTo({ duration: options.disconnectLimit }))
    yield* Effect.retry(gone, { while: (error) => error._tag === "DisconnectFailed", schedule })
  }, Effect.provideService(HostCommand, commands))

  /** Only what its name proves to be a volume: a loose NQN in this state may be another disk, the node's root included. */
  const repair = Effect.fnUntraced(function*(nqn: Nqn, verdict: Verdict) {
    if (!Nqn.isOurs(nqn)) return yield* refuseRepair(nqn)
    const what = verdict === "Dead" ? "without a working connection" : "without a block device"
    yield* Effect.annotateLogs(Effect.logWarning(`removing a subsystem ${what}, to connect it afresh`), { nqn })
    yield* remove(nqn)
  })

  /** What the program answers is a hint; what came of it is in the kernel's state. */
  const connectAfresh = Effect.fnUntraced(function*(target: FabricTarget) {
    const { nqn } = target
    const setUnsure = Ref.update(unsure, (all) => new Map(all).set(nqn, target))
    const outcome = yield* Effect.onInterrupt(NvmeCli.connect(target, options.connectLimit), () => setUnsure)
    if (outcome._tag === "Connected") return { adopted: false }
    if (outcome._tag === "Unknown") yield* setUnsure
    const connection = yield* connectionOf(nqn)
    const verdict = judge(connection, target)
    if (verdict === "Elsewhere") return yield* elsewhere(connection)
    if (verdict === "Absent" || verdict === "Dead") return yield* connectFailed(target, outcome.reason)
    return { adopted: outcome._tag === "AlreadyConnected" }
  }, Effect.provideService(HostCommand, commands))

  const connect = Effect.fn("NvmeFabric.connect")(function*(target: FabricTarget) {
    yield* checkOurs(target.nqn)
    const { connection, verdict } = yield* existing(target)
    if (verdict === "Usable") return { adopted: true }
    if (verdict === "Elsewhere") return yield* elsewhere(connection)
    if (verdict !== "Absent") yield* repair(target.nqn, verdict)
    return yield* connectAfresh(target)
  })

  const subsystems = Effect.gen(function*() {
    const { identified } = yield* sysfs.controllers((nqn) => nqn.startsWith(Nqn.prefix))
    const connections = [...Map.groupBy(identified, ({ nqn }) => nqn)].map(([nqn, found]) =>
      sysfs.connection(nqn, found.map(({ controller }) => controller))
    )
    return yield* Effect.all(connections, { concurrency: 8 })
  })

  return NvmeFabric.of({
    connect,
    disconnect: Effect.fn("NvmeFabric.disconnect")((nqn) => Effect.andThen(checkOurs(nqn), remove(nqn))),
    device: Effect.fn("NvmeFabric.device")((nqn) => Effect.map(connectionOf(nqn), ({ device }) => device)),
    controllers: Effect.fn("NvmeFabric.controllers")(controllersOf),
    rescan: Effect.fn("NvmeFabric.rescan")(function*(nqn) {
      const live = (yield* controllersOf(nqn)).filter(({ state }) => state === "live")
      yield* Effect.forEach(live, ({ name }) => sysfs.rescan(name))
    }),
    subsystems,
    glance: sysfs.glance
  })
})

const pollInterval = "50 millis"

/** Whether the NQN is that of a volume id at all; `connect` and `disconnect` of a loose one are up to the caller's evidence. */
const checkOurs = (nqn: Nqn) =>
  nqn.startsWith(Nqn.prefix) && Option.isSome(VolumeId.parse(nqn.slice(Nqn.prefix.length))) ? Effect.void : Effect.fail(
    new SubsystemNotOurs({ nqn, message: `subsystem ${nqn} is not one of this driver's; it is left alone` })
  )

const refuseRepair = (nqn: Nqn) =>
  new SubsystemNotOurs({
    nqn,
    message:
      `subsystem ${nqn} is connected on this node and does not work, and its name does not prove that it is a volume. ` +
      `If it is, disconnect it with: nvme disconnect -n ${nqn}`
  })

const elsewhere = ({ nqn, controllers }: Connection) =>
  new ConnectedElsewhere({
    nqn,
    message:
      `this node is connected to subsystem ${nqn} at another address (${controllers.map(describe).join(", ")}); ` +
      "disconnect it there first"
  })

const connectFailed = ({ nqn, address, port }: FabricTarget, reason: string) =>
  new ConnectFailed({
    nqn,
    message:
      `connecting to subsystem ${nqn} at ${address} port ${port} failed: ${reason}; the node's kernel log may say more`
  })

const stillThere = (nqn: Nqn, controllers: ReadonlyArray<Controller>, said: string) =>
  new DisconnectFailed({
    nqn,
    message: `subsystem ${nqn} is still connected on this node (${controllers.map(describe).join(", ")}): ${said}`
  })

const describe = ({ name, state, address, port }: Controller) => `${name} to ${address} port ${port}, ${state}`
