import { Effect, Option } from "effect"
import { entriesIfAny, type HostFiles, unknownUsers } from "./HostFiles.ts"
import type { StatAll } from "./Stat.ts"

/** Where to look, and with what. */
interface Host {
  readonly files: HostFiles
  readonly statAll: StatAll
  readonly procRoot: string
  readonly sysRoot: string
}

/** A device in question. */
interface Wanted {
  /** `major:minor` of the device and of its partitions. */
  readonly devices: ReadonlyArray<string>
  /** The device's size in sectors, by which a loop device counts whose file cannot be found. */
  readonly sectors: string
  /** Whether files on a file system of the device count too. */
  readonly files: boolean
}

/** Finds the loop devices and the swap space that are on a device. */
export const makeLoopsAndSwap = ({ files, procRoot, statAll, sysRoot }: Host) => {
  const attribute = (path: string) => Effect.map(files.text(path), (text) => Option.getOrElse(text, () => "").trim())

  /** Each loop device's name, and its file as process 1 has it. */
  const loops = Effect.gen(function*() {
    const names = (yield* entriesIfAny(files, `${sysRoot}/block`)).filter((name) => name.startsWith("loop"))
    const found = yield* Effect.forEach(names, (name) =>
      Effect.map(
        files.text(`${sysRoot}/block/${name}/loop/backing_file`),
        Option.map((text) => ({ name, path: text.trimEnd() }))
      ))
    return found.flatMap(Option.toArray)
  })

  /** The block devices that are swap space, as process 1 has them (proc_swaps(5)). */
  const swaps = Effect.map(attribute(`${procRoot}/swaps`), (table) =>
    table.split("\n").slice(1).flatMap((line) => {
      const [name = "", type] = line.split(/\s+/)
      return type === "partition"
        ? [name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))]
        : []
    }))

  const isWhole = Effect.fnUntraced(function*(name: string, sectors: string) {
    const directory = `${sysRoot}/block/${name}`
    return (yield* attribute(`${directory}/loop/offset`)) === "0" && (yield* attribute(`${directory}/size`)) === sectors
  })

  return Effect.fnUntraced(function*({ devices, files: useOfFiles, sectors }: Wanted) {
    const [ofLoops, ofSwap] = [yield* loops, yield* swaps]
    const onHost = (path: string) => `${procRoot}/1/root${path}`
    const stats = yield* statAll([...ofLoops.map(({ path }) => path), ...ofSwap].map(onHost))
    const statOf = (path: string) => {
      const stat = stats.get(onHost(path))
      return stat?._tag === "Failed" ? unknownUsers(`${path}: ${stat.reason}`) : Effect.succeed(stat)
    }
    const users: Array<string> = []
    for (const { name, path } of ofLoops) {
      const stat = yield* statOf(path)
      const isIt = stat === undefined
        ? yield* isWhole(name, sectors)
        : devices.includes(stat.block ?? (useOfFiles ? stat.on : ""))
      if (isIt) users.push(`loop device ${name} (${path})`)
    }
    for (const path of ofSwap) {
      const stat = yield* statOf(path)
      if (stat === undefined) return yield* unknownUsers(`swap space ${path} cannot be found`)
      if (devices.includes(stat.block ?? "")) users.push("swap space")
    }
    return users
  })
}
