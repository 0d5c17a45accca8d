import { Duration, Effect } from "effect"
import { RosError } from "../menu/Menu.ts"
import type { Unsure } from "../Unsure.ts"
import { CurrentConditions } from "./Conditions.ts"
import type { Device } from "./Device.ts"
import { directory } from "./InitialState.ts"
import type { DeviceState, FileEntry } from "./Model.ts"
import {
  diskPath,
  entryAt,
  filePath,
  hasDirectory,
  isMountPoint,
  isNameable,
  isReadOnly,
  isWithin,
  parentOf,
  poolOf
} from "./Paths.ts"
import { allocatedBytes, freeBytes } from "./Space.ts"

/** Ends a command with the device's `failure: …`. */
export const failure = (text: string): Effect.Effect<never, RosError> =>
  Effect.fail(new RosError({ message: `failure: ${text}` }))

/** What a command says that would change something in a read-only subvolume. */
export const readOnly: Effect.Effect<never, RosError> = failure("read-only file system")

/** A new file or directory, refused as the device would: its directory is missing, its name is taken, its pool is full. */
export const placeFile = Effect.fnUntraced(function*(
  state: DeviceState,
  unsure: Unsure,
  file: Omit<FileEntry, "id">
) {
  const { path } = file
  const pool = poolOf(state, path)
  if (!isNameable(path)) return yield* failure("invalid file name")
  if (pool?.mounted === false) return yield* failure(`${pool.mountPoint} is not mounted`)
  if (entryAt(state, path) !== undefined || isMountPoint(state, path)) {
    return yield* failure("already have file with such name")
  }
  if (isReadOnly(state, path)) return yield* readOnly
  const placed = yield* placeDirectory(state, unsure, parentOf(path), file.lastModified)
  const { poolFull } = yield* CurrentConditions
  const free = pool === undefined ? 0n : freeBytes(placed, pool)
  if (file.sizeBytes > 0n && (poolFull || allocatedBytes(file.sizeBytes) > free)) {
    return yield* failure("not enough space")
  }
  return withFile(placed, file)
})

const placeDirectory = (state: DeviceState, unsure: Unsure, path: string, now: number) => {
  if (hasDirectory(state, path)) return Effect.succeed(state)
  if (unsure.missingDirectory === "refuse" || poolOf(state, path) === undefined) return failure("no such directory")
  return Effect.succeed(withDirectories(state, path, now))
}

const withDirectories = (state: DeviceState, path: string, now: number): DeviceState => {
  if (hasDirectory(state, path)) return state
  const above = withDirectories(state, parentOf(path), now)
  return withFile(above, directory(path, now))
}

const withFile = (state: DeviceState, file: Omit<FileEntry, "id">): DeviceState => {
  const id = state.nextIds.file
  return { ...state, nextIds: { ...state.nextIds, file: id + 1 }, files: [...state.files, { ...file, id }] }
}

/** `/file/add`. */
export const addFile = (
  device: Device["Service"],
  spec: { readonly path: string; readonly directory: boolean; readonly contents: string }
): Effect.Effect<number, RosError> =>
  device.change(Effect.fnUntraced(function*(state, now) {
    const file = {
      path: filePath(spec.path),
      directory: spec.directory,
      sizeBytes: BigInt(Buffer.byteLength(spec.contents)),
      contents: spec.contents,
      lastModified: now
    }
    const after = yield* placeFile(state, device.config.unsure, file)
    return [after.nextIds.file - 1, after] as const
  }))

/** The time that removing takes. */
export const slowly = Effect.flatMap(
  CurrentConditions,
  ({ removeDelay }) => Duration.isZero(removeDelay) ? Effect.void : Effect.sleep(removeDelay)
)

/** `/file/remove`: a directory goes with everything below it. A file behind a disk item is refused as busy. */
export const removeFile = Effect.fnUntraced(function*(device: Device["Service"], id: number) {
  yield* slowly
  yield* device.change(Effect.fnUntraced(function*(state) {
    const entry = state.files.find((candidate) => candidate.id === id)
    if (entry === undefined) return [undefined, state] as const
    if (isReadOnly(state, entry.path)) return yield* readOnly
    if (state.subvolumes.some((subvolume) => isWithin(entry.path, subvolume.path))) {
      return yield* failure("can not remove a subvolume")
    }
    const busy = state.disks.some((disk) => isWithin(diskPath(entry.path), disk.filePath))
    if (busy && device.config.unsure.busyFile === "refuse") return yield* failure("file is in use, stop using it first")
    return [undefined, { ...state, files: state.files.filter(({ path }) => !isWithin(entry.path, path)) }] as const
  }))
})

/** `/file/set`: other contents. */
export const writeFile = (device: Device["Service"], id: number, contents: string): Effect.Effect<void, RosError> =>
  device.change(Effect.fnUntraced(function*(state, now) {
    const entry = state.files.find((candidate) => candidate.id === id)
    if (entry?.directory === true) return yield* failure("can not write a directory")
    if (entry !== undefined && isReadOnly(state, entry.path)) return yield* readOnly
    if (entry !== undefined && state.disks.some((disk) => disk.filePath === diskPath(entry.path))) {
      return yield* failure("file is in use, stop using it first")
    }
    const sizeBytes = BigInt(Buffer.byteLength(contents))
    const files = state.files.map((file) => file === entry ? { ...file, contents, sizeBytes, lastModified: now } : file)
    return [undefined, { ...state, files }] as const
  }))
