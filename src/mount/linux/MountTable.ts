import { Effect, FileSystem, Option, Schedule } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import { MountTableUnreadable } from "../Errors.ts"
import { type DeviceNumber, type MountEntry, sameDevice } from "../Mounter.ts"
import { type MountInfo, parseMountInfo } from "./MountInfo.ts"
import { limits, unreadable } from "./Programs.ts"

/** The mount tables of this process's mount namespace and of the host's, that of process 1. */
export interface MountTable {
  /** Mounts exactly at the path in this process's namespace, the visible one last. Links in the path are resolved. */
  at(path: string): Effect.Effect<ReadonlyArray<MountInfo>, MountTableUnreadable>
  /** The same for a path out of the table, which is free of links. */
  exactlyAt(path: string): Effect.Effect<ReadonlyArray<MountInfo>, MountTableUnreadable>
  /** All mounts in this namespace and in the host's, a mount that is in both once. */
  readonly all: Effect.Effect<ReadonlyArray<MountEntry>, MountTableUnreadable>
  /** Those of the device. */
  of(device: DeviceNumber): Effect.Effect<ReadonlyArray<MountEntry>, MountTableUnreadable>
  /**
   * Whether a mount in the table of another namespace is the copy of one in this or the host's, and goes away when that one is
   * unmounted (mount_namespaces(7), "Propagation").
   */
  leads(copy: MountInfo, others: ReadonlyArray<MountInfo>): Effect.Effect<boolean, MountTableUnreadable>
  /** Whether the host, and so its containers, see this mount too. */
  isOnHost(mount: MountInfo): Effect.Effect<boolean, MountTableUnreadable>
}

/** Reads the tables below `procRoot`. */
export const makeMountTable = Effect.fnUntraced(function*(procRoot: string) {
  const fs = yield* FileSystem.FileSystem
  const command = yield* HostCommand

  /** What was understood last: mostly nothing has changed since. */
  const last: { [Pid in "self" | "1"]?: { readonly text: string; readonly table: Table } } = {}

  /**
   * A table is read in pieces, and kernels before 5.8 may leave out a mount when another is removed between two of them. So a
   * reading counts when it was the same twice in a row.
   */
  const read = Effect.fnUntraced(function*(pid: "self" | "1") {
    const file = `${procRoot}/${pid}/mountinfo`
    const readOnce = Effect.mapError(
      fs.readFileString(file),
      ({ message }) => unreadable(`the mount table ${file} cannot be read: ${message}`)
    )
    const text = yield* Effect.filterOrFail(
      Effect.all([readOnce, readOnce]),
      ([first, second]) => first === second,
      () => unreadable(`the mount table ${file} changes all the time`)
    ).pipe(Effect.retry(Schedule.recurs(attempts)))
    const known = last[pid]
    if (known?.text === text[0]) return known.table
    const mounts = parseMountInfo(text[0])
    if (Option.isNone(mounts)) return yield* unreadable(`the mount table ${file} is not understood`)
    const table = tableOf(mounts.value)
    last[pid] = { text: text[0], table }
    return table
  })

  const exactlyAt = (path: string) =>
    Effect.map(read("self"), ({ mounts }) => mounts.filter((mount) => mount.path === path))

  /** A path that is a mount point by its very name needs no look at the file system, which may hang. */
  const at = Effect.fnUntraced(function*(path: string) {
    const named = yield* exactlyAt(path)
    return named.length > 0 ? named : yield* Effect.flatMap(resolve(path), exactlyAt)
  })

  const resolve = (path: string) =>
    command.run("realpath", ["--canonicalize-missing", "--zero", "--", path], { limit: limits.quick }).pipe(
      Effect.filterOrFail(
        ({ code }) => code === 0,
        ({ stderr }) => new MountTableUnreadable({ message: `${path} cannot be resolved: ${stderr.trim()}` })
      ),
      Effect.catchTag(
        "CommandFailed",
        ({ message }) => Effect.fail(unreadable(`${path} cannot be resolved: ${message}`))
      ),
      Effect.map(({ stdout }) => stdout.replace(/\0$/, ""))
    )

  const tables = Effect.all([read("self"), read("1")])

  const both = (wanted: (mount: MountInfo) => boolean) =>
    Effect.map(tables, ([own, host]) => {
      const here = own.mounts.filter(wanted)
      const places = new Set(here.map((mount) => placeOf(mount, own)))
      return [...here, ...host.mounts.filter((mount) => wanted(mount) && !places.has(placeOf(mount, host)))]
    })

  return {
    at,
    exactlyAt,
    all: both(() => true),
    of: (device) => both((mount) => sameDevice(mount.device, device)),
    leads: (copy, others) =>
      Effect.map(tables, (leaders) => {
        const table = tableOf(others)
        const hears = table.parentOf(copy)?.hears ?? []
        return leaders.some((leader) =>
          samePlaces(copy, table, leader).some((mount) =>
            Option.exists(leader.parentOf(mount)?.peerGroup ?? Option.none(), (group) => hears.includes(group))
          )
        )
      }),
    isOnHost: (mount) => Effect.map(tables, ([own, host]) => samePlaces(mount, own, host).length > 0)
  } satisfies MountTable
})

const attempts = 10

/** One namespace's mounts. */
interface Table {
  readonly mounts: ReadonlyArray<MountInfo>
  /** What a mount is mounted on; undefined for the root. */
  parentOf(mount: MountInfo): MountInfo | undefined
}

const tableOf = (mounts: ReadonlyArray<MountInfo>): Table => {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]))
  return { mounts, parentOf: ({ id, parentId }) => id === parentId ? undefined : byId.get(parentId) }
}

/**
 * Where a mount sits, in words that are the same in every mount namespace: the directory of the file system below it. Paths
 * differ when a container has the directory elsewhere, or the host reaches it by a link.
 */
const placeOf = (mount: MountInfo, table: Table): string => {
  const parent = table.parentOf(mount)
  if (parent === undefined) return `${mount.path} of the root`
  const below = mount.path.slice(parent.path === "/" ? 0 : parent.path.length)
  return `${parent.root === "/" ? "" : parent.root}${below} of ${parent.device.major}:${parent.device.minor}`
}

/** The mounts of another namespace that are the same device at the same place. */
const samePlaces = (mount: MountInfo, table: Table, other: Table) => {
  const place = placeOf(mount, table)
  return other.mounts.filter((found) => sameDevice(found.device, mount.device) && placeOf(found, other) === place)
}
