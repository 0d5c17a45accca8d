import type { SimulatorConfig } from "../SimulatorConfig.ts"
import type { DeviceState, FileEntry, Pool, User } from "./Model.ts"
import { filePath, isMountPoint, parentOf } from "./Paths.ts"

/** /ip/service ssh max-sessions of a new device (RouterOS manual, Services). */
const defaultMaxSessions = 20

/** Below it are the ids of the pools, whose mount points `/file` lists among the files. */
const firstFileId = 0x1000_0000

const empty: DeviceState = {
  nextIds: { disk: 1, file: firstFileId, user: 1, subvolume: 1, script: 1 },
  identity: "RDS",
  maxSessions: defaultMaxSessions,
  pools: [],
  disks: [],
  files: [],
  subvolumes: [],
  scripts: [],
  users: []
}

/**
 * The device to start with: what was left by an earlier run with the users of `config`, or a new one. Pools and
 * directories of `config` that an old device lacks are added to it.
 */
export const initialState = (config: SimulatorConfig, now: number, left: DeviceState | undefined): DeviceState => {
  let state = left ?? { ...empty, identity: config.identity }
  const takeId = (kind: keyof DeviceState["nextIds"]) => {
    const id = state.nextIds[kind]
    state = { ...state, nextIds: { ...state.nextIds, [kind]: id + 1 } }
    return id
  }
  for (const pool of config.pools) {
    if (state.pools.some((known) => known.mountPoint === pool.mountPoint)) continue
    const item: Pool = { id: takeId("disk"), comment: "", ...pool }
    state = { ...state, pools: [...state.pools, item] }
  }
  for (const path of config.directories.flatMap(withParents)) {
    if (isMountPoint(state, path) || state.files.some((entry) => entry.path === path)) continue
    const entry: FileEntry = { id: takeId("file"), ...directory(path, now) }
    state = { ...state, files: [...state.files, entry] }
  }
  for (const { name, policies, publicKeys } of config.users) {
    const old = state.users.find((user) => user.name === name)
    const added = publicKeys.filter((line) => old?.keys.some((key) => key.line === line) !== true)
    const keys = [...old?.keys ?? [], ...added.map((line) => ({ id: takeId("user"), line }))]
    const user: User = { id: old?.id ?? takeId("user"), name, policies, keys }
    state = { ...state, users: [...state.users.filter((other) => other.name !== name), user] }
  }
  return state
}

const withParents = (path: string): ReadonlyArray<string> => {
  const name = filePath(path)
  const parent = parentOf(name)
  return parent === "" ? [name] : [...withParents(parent), name]
}

/** A directory, without its id. */
export const directory = (path: string, now: number): Omit<FileEntry, "id"> => ({
  path,
  directory: true,
  sizeBytes: 0n,
  contents: "",
  lastModified: now
})
