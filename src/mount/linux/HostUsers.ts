import { Effect, FileSystem, Option, Schema } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import type { MountTableUnreadable } from "../Errors.ts"
import { type DeviceNumber, sameDevice } from "../Mounter.ts"
import { parseMountInfo } from "./MountInfo.ts"
import type { MountTable } from "./MountTable.ts"
import { complaint, limits, unreadable } from "./Programs.ts"
import { type ScanRequest, scanUsers } from "./UserScan.ts"

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

const Result = Schema.fromJsonString(Schema.Struct({
  users: Schema.Array(Schema.String),
  namespaces: Schema.Array(Schema.Struct({ process: Schema.String, mountinfo: Schema.String }))
}))

type Namespace = typeof Result.Type["namespaces"][number]

/** A device, or a partition of it, as sysfs has it; the name is empty when it is gone. */
interface Part extends DeviceNumber {
  readonly name: string
  readonly holders: ReadonlyArray<string>
}

const unknownUsers = (problem: string) => unreadable(`the users of a device cannot be found out: ${problem}`)

/** Users by the host's proc and sysfs. Whatever cannot be read is an error, never "no user". */
export const makeHostUsers = Effect.fnUntraced(function*(
  { procRoot, sysRoot }: { readonly procRoot: string; readonly sysRoot: string },
  table: MountTable
) {
  const fs = yield* FileSystem.FileSystem
  const command = yield* HostCommand

  const sysfs = <A>(read: Effect.Effect<A, { readonly message: string }>) =>
    Effect.mapError(read, ({ message }) => unknownUsers(message))
  const list = (path: string) => sysfs(fs.readDirectory(path))
  const text = (path: string) => Effect.map(sysfs(fs.readFileString(path)), (content) => content.trim())

  const part = Effect.fnUntraced(function*(directory: string) {
    const [major = 0, minor = 0] = (yield* text(`${directory}/dev`)).split(":").map(Number)
    const [, name = ""] = /^DEVNAME=(.+)$/m.exec(yield* text(`${directory}/uevent`)) ?? []
    return { name, major, minor, holders: yield* list(`${directory}/holders`) }
  })

  /** The device and its partitions; of a device that is gone only the number is left. */
  const inSysfs = Effect.fnUntraced(function*({ major, minor }: DeviceNumber) {
    const directory = `${sysRoot}/dev/block/${major}:${minor}`
    if (!(yield* sysfs(fs.exists(directory)))) {
      return { sectors: "", parts: [{ name: "", major, minor, holders: [] } satisfies Part] }
    }
    const device = yield* part(directory)
    // A partition's directory has the device's name and more; a file with such a name there is none.
    const below = (yield* list(directory)).filter((entry) => entry.startsWith(device.name) && entry !== device.name)
    const parts = yield* Effect.forEach(below, (entry) => part(`${directory}/${entry}`))
    return { sectors: yield* text(`${directory}/size`), parts: [device, ...parts] }
  })

  const scan = Effect.fnUntraced(function*(request: ScanRequest) {
    const script = `process.stdout.write(JSON.stringify((${scanUsers.toString()})(${JSON.stringify(request)})))`
    const result = yield* command.run(process.execPath, ["-e", script], { limit: limits.read }).pipe(
      Effect.mapError(({ message }) => unknownUsers(message))
    )
    if (result.code !== 0) return yield* unknownUsers(/^\w*Error: (.+)$/m.exec(result.stderr)?.[1] ?? complaint(result))
    return yield* Effect.mapError(
      Schema.decodeEffect(Result)(result.stdout),
      () => unknownUsers("there are too many, or they are not understood")
    )
  })

  /** ext4 and XFS have a directory in sysfs for each file system that is in use, mounted anywhere or not any more. */
  const isActive = ({ name }: Part) =>
    name === ""
      ? Effect.succeed(false)
      : Effect.map(
        Effect.forEach(["ext4", "xfs"], (type) => sysfs(fs.exists(`${sysRoot}/fs/${type}/${name}`))),
        (found) => found.includes(true)
      )

  const users = Effect.fnUntraced(function*(device: DeviceNumber, files: boolean) {
    const { sectors, parts } = yield* inSysfs(device)
    const devices = parts.map(({ major, minor }) => `${major}:${minor}`)
    const found = yield* scan({ procRoot, sysRoot, devices, sectors, files })
    const elsewhere = yield* Effect.forEach(found.namespaces, (namespace) => mountsElsewhere(namespace, parts))
    const inTable = yield* Effect.forEach(parts, (one) => table.of(one))
    const held = yield* Effect.filter(parts, isActive)
    const unseen = found.namespaces.length === 0 && inTable.every((mounts) => mounts.length === 0)
    return [
      ...found.users,
      ...elsewhere.flat(),
      ...inTable.slice(1).flat().map(({ path }) => `a partition of it is mounted at ${path}`),
      ...parts.flatMap(({ holders }) => holders),
      ...unseen ? held.map(() => "its file system is unmounted, but still being written back or in use") : []
    ]
  })

  /** A copy of a mount that follows the host's, as in containers with propagation, goes away with it. */
  const mountsElsewhere = Effect.fnUntraced(function*(
    { process: owner, mountinfo }: Namespace,
    parts: ReadonlyArray<DeviceNumber>
  ) {
    const mounts = parseMountInfo(mountinfo)
    if (Option.isNone(mounts)) return yield* unknownUsers(`the mounts of ${owner} are not understood`)
    const ofDevice = mounts.value.filter(({ device }) => parts.some((one) => sameDevice(one, device)))
    const staying = yield* Effect.filter(
      ofDevice,
      (mount) => Effect.map(table.leads(mount, mounts.value), (leads) => !leads)
    )
    return staying.map(({ path }) => `${owner} has it mounted at ${path}`)
  })

  return { of: (device, { files }) => users(device, files) } satisfies HostUsers
})
