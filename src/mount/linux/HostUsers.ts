import { Effect, Option } from "effect"
import type { MountTableUnreadable } from "../Errors.ts"
import { type DeviceNumber, sameDevice } from "../Mounter.ts"
import { hostFiles as files, unknownUsers } from "./HostFiles.ts"
import { makeHostProcesses, type Namespace } from "./HostProcesses.ts"
import { makeLoopsAndSwap } from "./LoopsAndSwap.ts"
import { parseMountInfo } from "./MountInfo.ts"
import type { MountTable } from "./MountTable.ts"
import { makeOpenFiles } from "./OpenFiles.ts"
import { makeStatAll } from "./Stat.ts"

/** Whoever on the host uses a block device, apart from mounts that the host sees; each in words for a message. */
export interface HostUsers {
  /**
   * Processes that have the device open, whatever name or mount namespace they opened it by; mounts in namespaces that the
   * host's unmounting does not reach; a file system that is still being written back after it was unmounted; device-mapper
   * and its like, loop devices, swap; all of these for its partitions too. With `files` also whoever has a file in use on
   * it.
   */
  of(
    device: DeviceNumber,
    options: { readonly files: boolean }
  ): Effect.Effect<ReadonlyArray<string>, MountTableUnreadable>
}

/** A device, or a partition of it, as sysfs has it; the name is empty when it is gone. */
interface Part extends DeviceNumber {
  readonly name: string
  readonly holders: ReadonlyArray<string>
}

/** Users by the host's proc and sysfs. Whatever cannot be read is an error, never "no user". */
export const makeHostUsers = Effect.fnUntraced(function*(
  { procRoot, sysRoot }: { readonly procRoot: string; readonly sysRoot: string },
  table: MountTable
) {
  const statAll = yield* makeStatAll
  const openFiles = yield* makeOpenFiles(files, statAll)
  const loopsAndSwap = makeLoopsAndSwap({ files, procRoot, statAll, sysRoot })
  const processes = makeHostProcesses(files, procRoot)

  /** Of a device that is there. */
  const required = <A>(path: string, found: Effect.Effect<Option.Option<A>, MountTableUnreadable>) =>
    Effect.flatMap(found, (value) => Option.isSome(value) ? Effect.succeed(value.value) : unknownUsers(`no ${path}`))
  const attribute = (path: string) => Effect.map(required(path, files.text(path)), (text) => text.trim())

  const part = Effect.fnUntraced(function*(directory: string) {
    const [major = 0, minor = 0] = (yield* attribute(`${directory}/dev`)).split(":").map(Number)
    const [, name = ""] = /^DEVNAME=(.+)$/m.exec(yield* attribute(`${directory}/uevent`)) ?? []
    return {
      name,
      major,
      minor,
      holders: yield* required(`${directory}/holders`, files.entries(`${directory}/holders`))
    }
  })

  /** The device and its partitions; of a device that is gone only the number is left. */
  const inSysfs = Effect.fnUntraced(function*({ major, minor }: DeviceNumber) {
    const directory = `${sysRoot}/dev/block/${major}:${minor}`
    const entries = yield* files.entries(directory)
    if (Option.isNone(entries)) {
      return { sectors: "", parts: [{ name: "", major, minor, holders: [] } satisfies Part] }
    }
    const device = yield* part(directory)
    // A partition's directory has the device's name and more; a file with such a name there is none.
    const below = entries.value.filter((entry) => entry.startsWith(device.name) && entry !== device.name)
    const parts = yield* Effect.forEach(below, (entry) => part(`${directory}/${entry}`))
    return { sectors: yield* attribute(`${directory}/size`), parts: [device, ...parts] }
  })

  /** ext4 and XFS have a directory in sysfs for each file system that is in use, mounted anywhere or not any more. */
  const isActive = ({ name }: Part) =>
    name === ""
      ? Effect.succeed(false)
      : Effect.map(
        Effect.forEach(["ext4", "xfs"], (type) => files.entries(`${sysRoot}/fs/${type}/${name}`)),
        (found) => found.some(Option.isSome)
      )

  const users = Effect.fnUntraced(function*(device: DeviceNumber, useOfFiles: boolean) {
    const { sectors, parts } = yield* inSysfs(device)
    const devices = parts.map(({ major, minor }) => `${major}:${minor}`)
    const namespaces = yield* processes.namespaces
    const open = yield* Effect.forEach(
      yield* openFiles(namespaces, devices, useOfFiles),
      ({ does, process }) => Effect.map(processes.nameOf(process), (name) => `${name} ${does}`)
    )
    const below = yield* loopsAndSwap({ devices, sectors, files: useOfFiles })
    const withMounts = namespaces.filter((namespace) => !namespace.isKnown && hasMountOf(namespace, devices))
    const elsewhere = yield* Effect.forEach(withMounts, (namespace) => mountsElsewhere(namespace, parts))
    const inTable = yield* Effect.forEach(parts, (one) => table.of(one))
    const held = yield* Effect.filter(parts, isActive)
    const unseen = withMounts.length === 0 && inTable.every((mounts) => mounts.length === 0)
    return [
      ...open,
      ...below,
      ...elsewhere.flat(),
      ...inTable.slice(1).flat().map(({ path }) => `a partition of it is mounted at ${path}`),
      ...parts.flatMap(({ holders }) => holders),
      ...unseen ? held.map(() => "its file system is unmounted, but still being written back or in use") : []
    ]
  })

  /** A copy of a mount that follows the host's, as in containers with propagation, goes away with it. */
  const mountsElsewhere = Effect.fnUntraced(
    function*({ mounts, processes: inside }: Namespace, parts: ReadonlyArray<Part>) {
      const all = parseMountInfo([...mounts.values()].map(({ line }) => line).join("\n"))
      const [first] = inside
      const owner = first === undefined ? "a namespace" : yield* processes.nameOf(first)
      if (Option.isNone(all)) return yield* unknownUsers(`the mounts of ${owner} are not understood`)
      const ofDevice = all.value.filter(({ device }) => parts.some((one) => sameDevice(one, device)))
      const staying = yield* Effect.filter(
        ofDevice,
        (mount) => Effect.map(table.leads(mount, all.value), (leads) => !leads)
      )
      return staying.map(({ path }) => `${owner} has it mounted at ${path}`)
    }
  )

  return { of: (device, { files }) => users(device, files) } satisfies HostUsers
})

const hasMountOf = ({ mounts }: Namespace, devices: ReadonlyArray<string>) =>
  [...mounts.values()].some(({ device }) => devices.includes(device))
