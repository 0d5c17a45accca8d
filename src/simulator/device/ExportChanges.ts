import { Effect } from "effect"
import type { Export, Exports } from "../Exports.ts"
import type { SimulatorConfig } from "../SimulatorConfig.ts"
import type { DeviceStore } from "./DeviceStore.ts"
import type { DeviceState, FileDisk } from "./Model.ts"
import { filePath, poolOf } from "./Paths.ts"
import { isAtLeast } from "./Version.ts"

/**
 * Subsystem NQN of a disk item. Before 7.21 it is always the slot (RouterOS manual, NVMe over TCP: `subnqn: disk1`); from then
 * on the default is the slot behind MikroTik's prefix, by analogy with the documented default of iscsi-server-iqn.
 */
export const nqnOf = (version: string): (disk: FileDisk) => string =>
  isAtLeast(version, "7.21")
    ? ({ nqn, slot }) => nqn === "" ? `nqn.2000-02.com.mikrotik:${slot}` : nqn
    : ({ slot }) => slot

const isServed = (state: DeviceState, disk: FileDisk) =>
  disk.exported && !disk.disabled && poolOf(state, filePath(disk.filePath))?.mounted === true

/** What the exports depend on besides the items. */
type Readings = Pick<SimulatorConfig, "version" | "unsure">

const exportsOf = (
  state: Configuration,
  unchanged: ReadonlySet<FileDisk>,
  config: Readings,
  store: DeviceStore["Service"]
) => {
  const exports = new Map<string, Export>()
  const nqnOfDisk = nqnOf(config.version)
  for (const disk of state?.disks ?? []) {
    if (state === undefined || unchanged.has(disk) || !isServed(state, disk)) continue
    const file = store.hostPath(filePath(disk.filePath))
    const nqn = nqnOfDisk(disk)
    exports.set(nqn, {
      nqn,
      port: disk.port,
      ...(file === undefined ? {} : { file }),
      sizeBytes: disk.fileSize,
      allowedHosts: (config.unsure.allowHostNames === "list" ? disk.allowHostName.split(",") : [disk.allowHostName])
        .filter((host) => host !== "")
    })
  }
  return exports
}

// Everything but the size: a change of these needs the subsystem made anew.
const identity = ({ sizeBytes: _, ...rest }: Export) => JSON.stringify(rest)

/** What an initiator finds at a device with this configuration that is on. */
export const servedExports = (
  state: DeviceState,
  config: Readings,
  store: DeviceStore["Service"]
): ReadonlyArray<Export> => [...exportsOf(state, new Set(), config, store).values()]

/** Undefined = switched off. */
type Configuration = DeviceState | undefined

// Most changes touch one item of many; only when a pool changes can others begin or end to be served.
const unchangedDisks = (before: Configuration, after: Configuration): ReadonlySet<FileDisk> =>
  before !== undefined && before.pools === after?.pools
    ? new Set(before.disks).intersection(new Set(after.disks))
    : new Set()

/** What has to be done at the data plane for the device to go from one configuration to another. */
export const exportChanges = (
  exports: Exports["Service"],
  store: DeviceStore["Service"],
  config: Readings,
  before: Configuration,
  after: Configuration
) => {
  const unchanged = unchangedDisks(before, after)
  const old = exportsOf(before, unchanged, config, store)
  const current = exportsOf(after, unchanged, config, store)
  const kept = (target: Export) => {
    const other = current.get(target.nqn)
    return other !== undefined && identity(other) === identity(target)
  }
  const gone = [...old.values()].filter((target) => !kept(target))
  const made = [...current.values()].filter((target) =>
    !old.has(target.nqn) || gone.some(({ nqn }) => nqn === target.nqn)
  )
  const resized = [...current.values()].filter((target) => {
    const other = old.get(target.nqn)
    return other !== undefined && kept(other) && other.sizeBytes !== target.sizeBytes
  })
  return {
    /** To be run before files go away. */
    close: Effect.forEach(gone, (target) => exports.unexport(target.nqn), { discard: true }),
    /** To be run when files are there. */
    open: Effect.andThen(
      Effect.forEach(made, (target) => exports.export(target), { discard: true }),
      Effect.forEach(resized, (target) => exports.resize(target), { discard: true })
    )
  }
}
