import type { DeviceState, FileEntry, Pool, Subvolume } from "./Model.ts"

/** The form of `/file`: no slash at either end, none doubled. */
export const filePath = (path: string): string => path.split("/").filter((part) => part !== "").join("/")

/** The form `/disk` prints. */
export const diskPath = (path: string): string => `/${filePath(path)}`

/** Directory of a path in the form of `/file`; "" is the root. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))

/** Whether `path` is `directory` or below it, both in the same form. */
export const isWithin = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(`${directory}/`)

/** The pool on whose file system a path lies, mounted or not. */
export const poolOf = (state: DeviceState, path: string): Pool | undefined =>
  state.pools.find((pool) => isWithin(pool.mountPoint, path))

/** The entry of a path, if its file system is mounted. */
export const entryAt = (state: DeviceState, path: string): FileEntry | undefined =>
  poolOf(state, path)?.mounted === false ? undefined : state.files.find((entry) => entry.path === path)

/** Whether a pool is, or would be, mounted there. */
export const isMountPoint = (state: DeviceState, path: string): boolean =>
  state.pools.some((pool) => pool.mountPoint === path)

/** Whether a directory is there: the root, the mount point of a mounted pool, or one that was made. */
export const hasDirectory = (state: DeviceState, path: string): boolean =>
  path === "" ||
  state.pools.some((pool) => pool.mounted && pool.mountPoint === path) ||
  entryAt(state, path)?.directory === true

/** The innermost subvolume in which a path lies, which may be its directory itself; undefined at the top. */
export const subvolumeOf = (state: DeviceState, path: string): Subvolume | undefined =>
  state.subvolumes
    .filter((subvolume) => isWithin(subvolume.path, path))
    .reduce<Subvolume | undefined>(
      (inner, next) => inner !== undefined && inner.path > next.path ? inner : next,
      undefined
    )

/** Whether a path lies in a read-only subvolume, where nothing can be made, changed or removed. */
export const isReadOnly = (state: DeviceState, path: string): boolean => subvolumeOf(state, path)?.readOnly === true

/** Whether every part of a path can be a file name: no "." and "..", no control characters, at most 255 bytes. */
export const isNameable = (path: string): boolean =>
  path !== "" &&
  path.split("/").every((part) =>
    part !== "." && part !== ".." && Buffer.byteLength(part) <= 255 && !/[\u0000-\u001f\u007f]/.test(part)
  )
