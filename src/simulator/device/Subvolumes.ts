import { Effect } from "effect"
import { RosError } from "../menu/Menu.ts"
import { CurrentConditions } from "./Conditions.ts"
import type { Device } from "./Device.ts"
import type { Transfer } from "./DeviceStore.ts"
import { failure, placeFile, readOnly, slowly } from "./Files.ts"
import { labelOf } from "./Filesystem.ts"
import type { DeviceState, FileEntry, Pool, Subvolume } from "./Model.ts"
import { diskPath, filePath, hasDirectory, isReadOnly, isWithin, parentOf, poolOf } from "./Paths.ts"
import { allocatedBytes, freeBytes } from "./Space.ts"

/** What `/disk/btrfs/subvolume/add` is told. */
export interface NewSubvolume {
  /** Label of the file system. */
  readonly fs: string
  /** Path below the top of the file system. */
  readonly name: string
  /** The subvolume to make a snapshot of; without it the new one is empty. */
  readonly parent: string | undefined
  readonly readOnly: boolean
}

/** Path of a subvolume below the top of its file system. */
export const fullNameOf = (pool: Pool, { path }: Subvolume): string => path.slice(pool.mountPoint.length + 1)

/** Last part of a path, by which RouterOS names subvolumes. */
export const nameOf = ({ path }: Subvolume): string => path.slice(path.lastIndexOf("/") + 1)

/** The subvolumes of mounted file systems: of others the device can not know them. */
export const subvolumesOf = (state: DeviceState, pool: Pool): ReadonlyArray<Subvolume> =>
  pool.mounted && pool.fs === "btrfs" ? state.subvolumes.filter(({ path }) => poolOf(state, path) === pool) : []

const noMatch = (argument: string) => new RosError({ message: `input does not match any value of ${argument}` })

/** `/disk/btrfs/subvolume/add`: an empty subvolume, or with `parent` a snapshot, which has the files of its parent from now on. */
export const addSubvolume = (device: Device["Service"], given: NewSubvolume): Effect.Effect<number, RosError> =>
  device.change(Effect.fnUntraced(function*(state, now) {
    const pool = state.pools.find((candidate) => candidate.fs === "btrfs" && labelOf(candidate) === given.fs)
    if (pool === undefined) return yield* noMatch("fs")
    if (!pool.mounted) return yield* failure("file system is not mounted")
    const parent = given.parent === undefined ? undefined : yield* parentNamed(device, state, pool, given.parent)
    const path = filePath(`${pool.mountPoint}/${given.name}`)
    // Unlike a file's, its directories are never made for it: it is one call of the file system.
    if (path === pool.mountPoint || !hasDirectory(state, parentOf(path))) return yield* failure("no such directory")
    const { poolFull } = yield* CurrentConditions
    if (poolFull || allocatedBytes(1n) > freeBytes(state, pool)) return yield* failure("not enough space")
    const root = { path, directory: true, sizeBytes: 0n, contents: "", lastModified: now }
    const placed = yield* placeFile(state, device.config.unsure, root)
    const id = state.nextIds.subvolume
    const source = parent === undefined ? {} : { source: parent.id }
    const subvolume = { id, path, readOnly: given.readOnly, created: now, ...source }
    const made = {
      ...placed,
      nextIds: { ...placed.nextIds, subvolume: id + 1 },
      subvolumes: [...state.subvolumes, subvolume]
    }
    if (parent === undefined) return [id, made] as const
    const { files, transfers } = snapshot(made, parent, path)
    const nextIds = { ...made.nextIds, file: made.nextIds.file + files.length }
    return [id, { ...made, nextIds, files: [...made.files, ...files] }, transfers] as const
  }))

const parentNamed = (device: Device["Service"], state: DeviceState, pool: Pool, name: string) => {
  const whole = device.config.unsure.subvolumeParent === "fullname"
  const [found, second] = subvolumesOf(state, pool).filter((subvolume) =>
    (whole ? fullNameOf(pool, subvolume) : nameOf(subvolume)) === name
  )
  if (found === undefined) return Effect.fail(noMatch("parent"))
  return second === undefined
    ? Effect.succeed(found)
    : Effect.fail(new RosError({ message: "ambiguous value of parent, more than one possible value matches input" }))
}

/** The files of a subvolume at another path. Subvolumes inside are no part of it: their directories are there, and empty. */
const snapshot = (state: DeviceState, { path: from }: Subvolume, to: string) => {
  const nested = state.subvolumes.filter(({ path }) => path !== from && path !== to && isWithin(from, path))
  const isPart = ({ path }: FileEntry) =>
    path !== from && isWithin(from, path) && !isWithin(to, path) &&
    !nested.some((inner) => inner.path !== path && isWithin(inner.path, path))
  const originals = state.files.filter(isPart)
  const files = originals.map((entry, index): FileEntry => ({
    ...entry,
    id: state.nextIds.file + index,
    path: to + entry.path.slice(from.length),
    ...entry.directory ? {} : { sharedWith: entry.sharedWith ?? entry.id }
  }))
  const transfers = originals.flatMap((entry, index): ReadonlyArray<Transfer> =>
    entry.directory
      ? []
      : [{ from: entry.path, to: files[index]?.path ?? "", offset: 0n, end: entry.sizeBytes }]
  )
  return { files, transfers }
}

/** `/disk/btrfs/subvolume/set read-only=`. */
export const setSubvolume = (
  device: Device["Service"],
  id: number,
  change: { readonly readOnly?: boolean }
): Effect.Effect<void, RosError> =>
  device.change((state) => {
    const subvolumes = state.subvolumes.map((subvolume) =>
      subvolume.id === id ? { ...subvolume, ...change } : subvolume
    )
    return Effect.succeed([undefined, { ...state, subvolumes }])
  })

/** `/disk/btrfs/subvolume/remove`: it goes with its files, read-only or not; snapshots of it stay. */
export const removeSubvolume = Effect.fnUntraced(function*(device: Device["Service"], id: number) {
  const { unsure } = device.config
  yield* slowly
  yield* device.change(Effect.fnUntraced(function*(state) {
    const subvolume = state.subvolumes.find((candidate) => candidate.id === id)
    if (subvolume === undefined) return [undefined, state] as const
    const { path } = subvolume
    const others = state.subvolumes.filter((other) => other !== subvolume)
    if (isReadOnly(state, parentOf(path))) return yield* readOnly
    if (others.some((other) => isWithin(path, other.path))) return yield* failure("directory not empty")
    if (unsure.snapshottedSubvolume === "refuse" && others.some(({ source }) => source === id)) {
      return yield* failure("subvolume has snapshots")
    }
    if (unsure.busySubvolume === "refuse" && state.disks.some((disk) => isWithin(diskPath(path), disk.filePath))) {
      return yield* failure("subvolume is in use, stop using it first")
    }
    const files = state.files.filter((file) => !isWithin(path, file.path))
    return [undefined, { ...state, files, subvolumes: others }] as const
  }))
})
