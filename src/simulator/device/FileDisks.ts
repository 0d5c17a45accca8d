import { Effect } from "effect"
import { RosError } from "../menu/Menu.ts"
import { CurrentConditions } from "./Conditions.ts"
import type { Device } from "./Device.ts"
import { nqnOf } from "./ExportChanges.ts"
import { failure, placeFile, readOnly } from "./Files.ts"
import type { DeviceState, FileDisk } from "./Model.ts"
import { diskPath, entryAt, filePath, isReadOnly, poolOf } from "./Paths.ts"
import { allocatedBytes, freeBytes } from "./Space.ts"
import { isAtLeast } from "./Version.ts"

/** Properties of a file disk as a command gives them. */
export type FileDiskChange = Partial<Omit<FileDisk, "id">>

/** Longest slot of RouterOS 7.24 and newer; seen on a device, where identifiers of 36 characters did not survive. */
const slotLength = 32

/** What the device fills in (RouterOS manual, Disk: properties); note that it mounts what it finds in the image. */
const defaults = {
  comment: "",
  disabled: false,
  fileOffset: 0n,
  mountFilesystem: true,
  mountReadOnly: false,
  mountPointTemplate: "[slot]",
  compress: false,
  swap: false,
  exported: false,
  port: 4420,
  nqn: "",
  allowHostName: "",
  password: ""
}

/**
 * `/disk/add type=file` in the device's own steps: the image is made unless it is there, then the item, then its export. A
 * script that is cut off between two of them leaves what was made.
 */
export const addFileDisk = Effect.fnUntraced(function*(device: Device["Service"], given: FileDiskChange) {
  const { unsure, version } = device.config
  if (given.filePath === undefined) return yield* failure("file-path must be given")
  const path = filePath(given.filePath)
  const slot = storedSlot(device, given.slot ?? `file-${path.replaceAll("/", "-")}`)
  const made = yield* provideImage(device, slot, path, given)
  const id = yield* device.change(Effect.fnUntraced(function*(state) {
    yield* checkItem(state, slot, path)
    const image = entryAt(state, path)
    if (image === undefined) return yield* failure("no such file")
    const disk: FileDisk = {
      ...defaults,
      ...given,
      exported: false,
      id: state.nextIds.disk,
      slot,
      filePath: diskPath(path),
      fileSize: image.sizeBytes
    }
    const nextIds = { ...state.nextIds, disk: disk.id + 1 }
    return [disk.id, { ...state, nextIds, disks: [...state.disks, disk] }] as const
  }))
  if (given.exported !== true) return id
  const undo = device.change((state) => {
    const disks = state.disks.filter((disk) => disk.id !== id)
    const files = made ? state.files.filter((file) => file.path !== path) : state.files
    return Effect.succeed([undefined, { ...state, disks, files }] as const)
  })
  const exported = device.change((state) => changeDisk(state, unsure.duplicateNqn, version, id, { exported: true }))
  yield* unsure.failedExport === "undo" ? Effect.tapError(exported, () => undo) : exported
  return id
})

const storedSlot = (device: Device["Service"], slot: string) =>
  device.config.unsure.longSlot === "cut" && isAtLeast(device.config.version, "7.24")
    ? slot.slice(0, slotLength)
    : slot

const checkItem = (state: DeviceState, slot: string, path: string): Effect.Effect<void, RosError> => {
  const taken = state.disks.some((disk) => disk.slot === slot) || state.pools.some((pool) => pool.slot === slot)
  if (slot === "" || taken) return failure(slot === "" ? "slot must be given" : "already have disk with such slot")
  return state.disks.some((disk) => disk.filePath === diskPath(path))
    ? failure("already have disk with such file-path")
    : Effect.void
}

/** Makes the image when it is not there; answers whether it did. */
const provideImage = Effect.fnUntraced(function*(
  device: Device["Service"],
  slot: string,
  path: string,
  given: FileDiskChange
) {
  const { unsure } = device.config
  const state = yield* device.state
  const pool = poolOf(state, path)
  yield* checkItem(state, slot, path)
  if (given.compress === true && pool?.fs !== "btrfs") {
    return yield* new RosError({ message: "compression only available for btrfs" })
  }
  const image = entryAt(state, path)
  if (image !== undefined) {
    if (image.directory) return yield* failure("file-path is a directory")
    if (isReadOnly(state, path) && unsure.readOnlyImage === "refuse") return yield* readOnly
    if (given.fileSize !== undefined && unsure.existingFile === "refuse") {
      return yield* failure("already have file with such name")
    }
    return false
  }
  const { fileSize } = given
  if (fileSize === undefined || fileSize <= 0n) {
    return yield* failure(
      fileSize === undefined ? "no such file, and no file-size to make it" : "file-size is too small"
    )
  }
  yield* device.change((current, now) =>
    Effect.map(
      placeFile(current, unsure, { path, directory: false, sizeBytes: fileSize, contents: "", lastModified: now }),
      (after) => [undefined, after] as const
    )
  )
  return true
})

/** `/disk/set` of a file disk. `file-size` grows the image; it never shrinks. */
export const setFileDisk = (
  device: Device["Service"],
  id: number,
  given: FileDiskChange
): Effect.Effect<void, RosError> => {
  const { unsure, version } = device.config
  const change = given.slot === undefined ? given : { ...given, slot: storedSlot(device, given.slot) }
  return device.change(Effect.fnUntraced(function*(state, now) {
    const disk = state.disks.find((candidate) => candidate.id === id)
    if (disk === undefined) return [undefined, state] as const
    const others = { ...state, disks: state.disks.filter((other) => other !== disk) }
    const path = filePath(change.filePath ?? disk.filePath)
    yield* checkItem(others, change.slot ?? disk.slot, path)
    if (path !== filePath(disk.filePath)) return yield* failure("file-path of a disk in use can not be changed")
    const grown = yield* growImage(state, disk, change.fileSize ?? disk.fileSize, now)
    return yield* changeDisk(grown, unsure.duplicateNqn, version, id, change)
  }))
}

const growImage = Effect.fnUntraced(function*(state: DeviceState, disk: FileDisk, fileSize: bigint, now: number) {
  if (fileSize === disk.fileSize) return state
  if (fileSize < disk.fileSize) return yield* failure("file-size can not be made smaller")
  const path = filePath(disk.filePath)
  const pool = poolOf(state, path)
  const { poolFull } = yield* CurrentConditions
  const more = allocatedBytes(fileSize) - allocatedBytes(disk.fileSize)
  if (pool?.mounted !== true) return yield* failure("file system is not mounted")
  if (isReadOnly(state, path)) return yield* readOnly
  if (poolFull || more > freeBytes(state, pool)) return yield* failure("not enough space")
  const files = state.files.map((file) =>
    file.path === path ? { ...file, sizeBytes: fileSize, lastModified: now } : file
  )
  return { ...state, files }
})

const changeDisk = Effect.fnUntraced(function*(
  state: DeviceState,
  duplicateNqn: "refuse" | "allow",
  version: string,
  id: number,
  change: FileDiskChange
) {
  const disks = state.disks.map((disk) => disk.id === id ? { ...disk, ...change } : disk)
  const disk = disks.find((candidate) => candidate.id === id)
  const nqn = nqnOf(version)
  const rival = disk?.exported === true && duplicateNqn === "refuse" &&
    disks.some((other) => other !== disk && other.exported && nqn(other) === nqn(disk))
  if (rival) return yield* failure("already have nvme-tcp export with such nqn")
  return [undefined, { ...state, disks }] as const
})

/** `/disk/remove` of a file disk: the item and its export go, the image stays (RouterOS manual, Disk). */
export const removeFileDisk = (device: Device["Service"], id: number): Effect.Effect<void, RosError> =>
  device.change((state) =>
    Effect.succeed([undefined, { ...state, disks: state.disks.filter((disk) => disk.id !== id) }] as const)
  )
