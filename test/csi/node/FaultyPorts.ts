import { Context, Effect } from "effect"
import { DeviceUnreadable, MountFailed, MountTableUnreadable, StageRecordFailed } from "../../../src/mount/Errors.ts"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { StageRecords } from "../../../src/mount/StageRecords.ts"
import { ConnectFailed, DisconnectFailed, FabricUnreadable } from "../../../src/nvme/Errors.ts"
import { NvmeFabric } from "../../../src/nvme/NvmeFabric.ts"

/** What happens to one operation. A crash ends the process there: the operation never returns. */
export type Fault = "none" | "fail before" | "fail after" | "crash before" | "crash after"

/** Decides about each operation of a port by its name, such as `connect`, `mount` or `put`. */
export type Faults = (operation: string) => Effect.Effect<Fault>

export type Ports = NvmeFabric | Mounter | StageRecords

/** The ports with faults; a record whose reading fails counts as missing, as it does in the real store. Every operation yields before and after its effect, so that others come in between. */
export const faultyPorts = (ports: Context.Context<Ports>, faults: Faults): Context.Context<Ports> => {
  const around = faulting(faults)
  return Context.make(NvmeFabric, faultyFabric(Context.get(ports, NvmeFabric), around)).pipe(
    Context.add(Mounter, faultyMounter(Context.get(ports, Mounter), around)),
    Context.add(StageRecords, faultyRecords(Context.get(ports, StageRecords), around))
  )
}

type Around = <A, E, E1>(operation: string, self: Effect.Effect<A, E>, error: () => E1) => Effect.Effect<A, E | E1>

const faulting = (faults: Faults): Around => (operation, self, error) =>
  Effect.gen(function*() {
    const fault = yield* faults(operation)
    yield* Effect.yieldNow
    if (fault === "crash before") return yield* crash
    if (fault === "fail before") return yield* Effect.fail(error())
    const result = yield* self
    yield* Effect.yieldNow
    if (fault === "crash after") return yield* crash
    return fault === "fail after" ? yield* Effect.fail(error()) : result
  })

/** Never ends, not even when it is interrupted in a region that cannot be; holds no timer. */
const crash = Effect.callback<never>(() => {})

const message = "injected failure"

const faultyFabric = (fabric: NvmeFabric["Service"], around: Around) =>
  NvmeFabric.of({
    connect: (target) =>
      around("connect", fabric.connect(target), () => new ConnectFailed({ nqn: target.nqn, message })),
    disconnect: (nqn) => around("disconnect", fabric.disconnect(nqn), () => new DisconnectFailed({ nqn, message })),
    device: (nqn) => around("device", fabric.device(nqn), () => new FabricUnreadable({ message })),
    controllers: (nqn) => around("controllers", fabric.controllers(nqn), () => new FabricUnreadable({ message })),
    rescan: (nqn) => around("rescan", fabric.rescan(nqn), () => new FabricUnreadable({ message })),
    subsystems: around("subsystems", fabric.subsystems, () => new FabricUnreadable({ message })),
    glance: around("glance", fabric.glance, () => new FabricUnreadable({ message }))
  })

const faultyMounter = (mounter: Mounter["Service"], around: Around) => {
  const failed = (operation: string) => () => new MountFailed({ operation, message })
  const unreadable = () => new DeviceUnreadable({ device: "device", message })
  const blind = () => new MountTableUnreadable({ message })
  return Mounter.of({
    probe: (device) => around("probe", mounter.probe(device), unreadable),
    format: (device, fsType) => around("format", mounter.format(device, fsType), failed("format")),
    check: (device, fsType) => around("check", mounter.check(device, fsType), failed("check")),
    mount: (options) => around("mount", mounter.mount(options), failed("mount")),
    bind: (options) => around("bind", mounter.bind(options), failed("bind")),
    unmount: (path) => around("unmount", mounter.unmount(path), failed("unmount")),
    forceUnmount: (path) => around("forceUnmount", mounter.forceUnmount(path), failed("unmount")),
    mounts: around("mounts", mounter.mounts, blind),
    mountsAt: (path) => around("mountsAt", mounter.mountsAt(path), blind),
    mountsOf: (device) => around("mountsOf", mounter.mountsOf(device), blind),
    holders: (device) => around("holders", mounter.holders(device), blind),
    setReadOnly: (device, readOnly) =>
      around("setReadOnly", mounter.setReadOnly(device, readOnly), failed("setReadOnly")),
    makeBlockNode: (options) => around("makeBlockNode", mounter.makeBlockNode(options), failed("makeBlockNode")),
    blockNode: (path) => around("blockNode", mounter.blockNode(path), failed("blockNode")),
    removeTarget: (path) => around("removeTarget", mounter.removeTarget(path), failed("removeTarget")),
    grow: (options) => around("grow", mounter.grow(options), failed("grow")),
    stats: (path) => around("stats", mounter.stats(path), failed("stats"))
  })
}

const faultyRecords = (records: StageRecords["Service"], around: Around) => {
  const failed = () => new StageRecordFailed({ volumeId: "volume", message })
  return StageRecords.of({
    put: (record) => around("put", records.put(record), failed),
    get: (id) => around("get", records.get(id), failed).pipe(Effect.catch(() => Effect.succeedNone)),
    has: (id) => around("has", records.has(id), failed),
    remove: (id) => around("remove", records.remove(id), failed),
    list: around("list", records.list, failed)
  })
}
