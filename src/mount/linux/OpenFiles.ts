import { Effect, Option } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import { entriesIfAny, type HostFiles, unknownUsers } from "./HostFiles.ts"
import type { HostProcess, Namespace, OpenMount } from "./HostProcesses.ts"
import { complaint, limits } from "./Programs.ts"
import { portionsOf, type Stat, type StatAll } from "./Stat.ts"

/** What of a process may be on a device. */
interface Candidate {
  readonly process: HostProcess
  readonly namespace: Namespace
  readonly path: string
  /** What to say if its file system is on the device. */
  readonly inUse: string
  /** Where it is; None when that was not looked up. */
  readonly mount: Option.Option<OpenMount>
}

/**
 * Finds the processes that have one of the devices open, whatever name they opened it by, and says what each does. With
 * `useOfFiles` also those that have a file in use on it. Nothing is asked about files on mounts of others who may not answer.
 */
export const makeOpenFiles = Effect.fnUntraced(function*(files: HostFiles, statAll: StatAll) {
  const command = yield* HostCommand

  /** Of a descriptor; a directory or a program that is in use has nothing that tells, and is not to be read for it. */
  const mountOf = (path: string, { mounts }: Namespace) => {
    const [, directory, fd] = /^(.+)\/fd\/(\d+)$/.exec(path) ?? []
    if (directory === undefined) return Effect.succeedNone
    return Effect.map(
      files.text(`${directory}/fdinfo/${fd}`),
      (info) =>
        Option.fromUndefinedOr(mounts.get(/^mnt_id:\s*(\d+)/m.exec(Option.getOrElse(info, () => ""))?.[1] ?? ""))
    )
  }

  const candidatesOf = Effect.fnUntraced(function*(process: HostProcess, namespace: Namespace, useOfFiles: boolean) {
    const { directory } = process
    const careful = useOfFiles || [...namespace.mounts.values()].some(({ remote }) => remote)
    const descriptors = (yield* entriesIfAny(files, `${directory}/fd`)).map((fd) => `${directory}/fd/${fd}`)
    const opened = (mount: Option.Option<OpenMount>, path: string): Candidate => ({
      process,
      namespace,
      path,
      inUse: "has a file open on it",
      mount
    })
    const open = careful
      ? yield* Effect.forEach(
        descriptors,
        (path) => Effect.map(mountOf(path, namespace), (mount) => opened(mount, path))
      )
      : descriptors.map((path) => opened(Option.none(), path))
    const places = useOfFiles ? ["cwd", "root", "exe"] : []
    return [
      ...open.filter(({ mount }) => !Option.exists(mount, ({ remote }) => remote)),
      ...places.map((name) => ({ ...opened(Option.none(), `${directory}/${name}`), inUse: "works in it" }))
    ]
  })

  /** A file system that was shut down fails every stat(2); it cannot hold a device node if it is mounted without devices. */
  const refuseFailed = ({ namespace, path }: Candidate, reason: string) =>
    Effect.flatMap(
      mountOf(path, namespace),
      (mount) =>
        Option.exists(mount, ({ noDevices, remote }) => noDevices || remote)
          ? Effect.undefined
          : unknownUsers(`${path}: ${reason}`)
    )

  /** Those of the processes that have code or data of the devices mapped (proc_pid_maps(5)). */
  const mappersAmong = Effect.fnUntraced(function*(
    processes: ReadonlyArray<HostProcess>,
    devices: ReadonlyArray<string>
  ) {
    const pattern = ` (${devices.map(inMaps).join("|")}) `
    const search = Effect.fnUntraced(function*(paths: ReadonlyArray<string>) {
      const args = ["--extended-regexp", "--files-with-matches", `--regexp=${pattern}`, "--", ...paths]
      const result = yield* Effect.mapError(
        command.run("grep", args, { limit: limits.read }),
        ({ message }) => unknownUsers(message)
      )
      const trouble = result.stderr.trim().split("\n").some((line) => !gone.test(line))
      return result.code > 1 && trouble ? yield* unknownUsers(complaint(result)) : result.stdout.split("\n")
    })
    const mapsOf = ({ directory }: HostProcess) => `${directory}/maps`
    const found = new Set((yield* Effect.forEach(portionsOf(processes.map(mapsOf)), search)).flat())
    return processes.filter((process) => found.has(mapsOf(process)))
  })

  return Effect.fnUntraced(function*(
    namespaces: ReadonlyArray<Namespace>,
    devices: ReadonlyArray<string>,
    useOfFiles: boolean
  ) {
    const all = namespaces.flatMap((namespace) => namespace.processes.map((process) => ({ namespace, process })))
    const candidates = (yield* Effect.forEach(
      all,
      ({ namespace, process }) => candidatesOf(process, namespace, useOfFiles),
      { concurrency: 8 }
    )).flat()
    const stats = yield* statAll(candidates.map(({ path }) => path))
    const opened = yield* Effect.forEach(candidates, (candidate) => {
      const stat = stats.get(candidate.path)
      const does = stat?._tag === "Failed"
        ? refuseFailed(candidate, stat.reason)
        : Effect.succeed(useOf(candidate, stat, devices, useOfFiles))
      return Effect.map(does, (text) => text === undefined ? [] : [{ process: candidate.process, does: text }])
    })
    const processes = all.map(({ process }) => process)
    const mapping = useOfFiles ? yield* mappersAmong(processes, devices) : []
    const users = [...opened.flat(), ...mapping.map((process) => ({ process, does: "works in it" }))]
    return users.filter(({ process }, at) => users.findIndex((other) => other.process === process) === at)
  })
})

const useOf = (
  { inUse, mount }: Candidate,
  stat: Exclude<Stat, { _tag: "Failed" }> | undefined,
  devices: ReadonlyArray<string>,
  useOfFiles: boolean
) => {
  const isOn = useOfFiles && (Option.exists(mount, ({ device }) => devices.includes(device)) ||
    stat !== undefined && devices.includes(stat.on))
  if (isOn) return inUse
  return stat?.block !== undefined && devices.includes(stat.block) ? "has it open" : undefined
}

/** As `maps` has the number of a device: hexadecimal, two digits or more each. */
const inMaps = (device: string) =>
  device.split(":").map((number) => Number(number).toString(16).padStart(2, "0")).join(":")

const gone = /: (?:No such file or directory|No such process)$/
