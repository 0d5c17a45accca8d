import { Effect, Option } from "effect"
import { type DeviceNumber, type MountEntry, Mounter, sameDevice } from "../../mount/Mounter.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { measured, mountOperationsTotal } from "../../observability/Metrics.ts"
import type { Nqn } from "../../volume/Nqn.ts"

/** What is mounted at a path, from the point of view of one volume. */
export type PathState =
  | { readonly _tag: "Nothing" }
  /** The volume's present device, and nothing else. */
  | { readonly _tag: "Current"; readonly entry: MountEntry; readonly device: NvmeDevice }
  /** A device that is no volume's any more: most likely this one's, before its connection was lost. */
  | { readonly _tag: "Stale"; readonly entry: MountEntry }
  /** Another volume's device. */
  | { readonly _tag: "Foreign"; readonly nqn: Nqn }

/** Looks what is mounted at `path`; `device` is the block device that the volume `nqn` has now. */
export const examine = Effect.fnUntraced(
  function*(path: string, nqn: Nqn, device: Option.Option<NvmeDevice>): Effect.fn.Return<PathState, Failure, Services> {
    const mounter = yield* Mounter
    const entries = yield* mounter.mountsAt(path)
    const top = entries.at(-1)
    if (top === undefined) return { _tag: "Nothing" }
    const owners = yield* ownersOf(entries.map((entry) => entry.device))
    const other = owners.find((owner) => owner !== nqn)
    if (other !== undefined) return { _tag: "Foreign", nqn: other }
    const current = Option.filter(device, (now) => entries.every((entry) => sameDevice(entry.device, now)))
    return Option.isSome(current)
      ? { _tag: "Current", entry: top, device: current.value }
      : { _tag: "Stale", entry: top }
  }
)

type Services = Mounter | NvmeFabric
type Failure = Effect.Error<ReturnType<Mounter["Service"]["mountsAt"]> | NvmeFabric["Service"]["subsystems"]>

/** The volumes whose block devices have one of these numbers now. */
export const ownersOf = Effect.fnUntraced(function*(numbers: ReadonlyArray<DeviceNumber>) {
  const fabric = yield* NvmeFabric
  const isOne = (device: DeviceNumber) => numbers.some((number) => sameDevice(number, device))
  return (yield* fabric.subsystems).filter(({ device }) => Option.exists(device, isOne)).map(({ nqn }) => nqn)
})

/** Whoever uses the device apart from the mounts at `exceptPath`, each in words for a message. */
export const usersOf = Effect.fnUntraced(function*(device: DeviceNumber, exceptPath: string) {
  const mounter = yield* Mounter
  const mounts = yield* mounter.mountsOf(device)
  const elsewhere = new Set(mounts.map(({ path }) => path).filter((path) => path !== exceptPath))
  return [...[...elsewhere].map((path) => `mounted at ${path}`), ...yield* mounter.holders(device)]
})

/** Counts a change of the mount table. */
export const countedMount = (operation: "mount" | "bind" | "unmount") =>
  measured({ total: mountOperationsTotal, attributes: { operation } })
