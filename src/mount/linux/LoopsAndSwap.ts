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
  /** A path as process 1 has it. */
  const onHost = (path: string) => {
    const full = `${procRoot}/1/root${path}`
    return Effect.flatMap(statAll([full]), (stats) => {
      const stat = stats.get(full)
      return stat?._tag === "Failed" ? unknownUsers(`${path}: ${stat.reason}`) : Effect.succeed(stat)
    })
  }

  const attribute = (path: string) => Effect.map(files.text(path), (text) => Option.getOrElse(text, () => "").trim())

  const loop = Effect.fnUntraced(function*(name: string, { devices, files: useOfFiles, sectors }: Wanted) {
    const directory = `${sysRoot}/block/${name}`
    const file = Option.map(yield* files.text(`${directory}/loop/backing_file`), (text) => text.trimEnd())
    if (Option.isNone(file)) return []
    const stat = yield* onHost(file.value)
    const isIt = stat === undefined
      ? (yield* attribute(`${directory}/loop/offset`)) === "0" && (yield* attribute(`${directory}/size`)) === sectors
      : devices.includes(stat.block ?? (useOfFiles ? stat.on : ""))
    return isIt ? [`loop device ${name} (${file.value})`] : []
  })

  const swap = Effect.fnUntraced(function*(line: string, { devices }: Wanted) {
    const [name = "", type] = line.split(/\s+/)
    if (type !== "partition") return []
    const path = name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const stat = yield* onHost(path)
    if (stat === undefined) return yield* unknownUsers(`swap space ${path} cannot be found`)
    return devices.includes(stat.block ?? "") ? ["swap space"] : []
  })

  return Effect.fnUntraced(function*(wanted: Wanted) {
    const loops = (yield* entriesIfAny(files, `${sysRoot}/block`)).filter((name) => name.startsWith("loop"))
    const swaps = (yield* attribute(`${procRoot}/swaps`)).split("\n").slice(1)
    const found = [
      ...yield* Effect.forEach(loops, (name) => loop(name, wanted)),
      ...yield* Effect.forEach(swaps, (line) => swap(line, wanted))
    ]
    return found.flat()
  })
}
