import { Effect, Option } from "effect"
import type { MountTableUnreadable } from "../Errors.ts"
import { entriesIfAny, type HostFiles, unknownUsers } from "./HostFiles.ts"

/** A process of the host. */
export interface HostProcess {
  /** Its directory in proc. */
  readonly directory: string
  readonly pid: string
}

/** A line of a mountinfo, as far as it matters for files that are open. */
export interface OpenMount {
  readonly line: string
  readonly id: string
  readonly parentId: string
  /** `major:minor`. */
  readonly device: string
  /** Device nodes cannot be opened there. */
  readonly noDevices: boolean
  /** stat(2) asks somebody who may not answer; nobody has block devices there. */
  readonly remote: boolean
}

/** A mount namespace and who is in it. */
export interface Namespace {
  /** This process's own, or that of the host's first process. */
  readonly isKnown: boolean
  readonly processes: ReadonlyArray<HostProcess>
  readonly mounts: ReadonlyMap<string, OpenMount>
}

/** The processes of the host by their mount namespaces, and a name of each for messages. */
export interface HostProcesses {
  readonly namespaces: Effect.Effect<ReadonlyArray<Namespace>, MountTableUnreadable>
  nameOf(process: HostProcess): Effect.Effect<string, MountTableUnreadable>
}

export const makeHostProcesses = (files: HostFiles, procRoot: string): HostProcesses => {
  /** This process's own namespace, and the host's. */
  const known = Effect.gen(function*() {
    const own = yield* files.link(`${procRoot}/self/ns/mnt`)
    const host = yield* files.link(`${procRoot}/1/ns/mnt`)
    if (Option.isNone(own) || Option.isNone(host)) {
      return yield* unknownUsers(`${procRoot} does not show the processes of the host`)
    }
    // Process 1 of another PID namespace than the first is the host's only if it has other mounts than a container.
    const isFirst = Option.contains(yield* files.link(`${procRoot}/self/ns/pid`), "pid:[4026531836]")
    if (own.value === host.value && !isFirst) {
      return yield* unknownUsers("the plugin's container sees its own processes only; it needs hostPID: true")
    }
    return [own.value, host.value]
  })

  const withNamespace = (pid: string) => {
    const directory = `${procRoot}/${pid}`
    return Effect.map(
      files.link(`${directory}/ns/mnt`),
      Option.map((namespace) => ({ namespace, process: { directory, pid } }))
    )
  }

  /** Read by the first process that is still there; nobody is in a namespace of which all have ended. */
  const mountsOf = Effect.fnUntraced(function*(processes: ReadonlyArray<HostProcess>) {
    for (const { directory } of processes) {
      const text = yield* files.text(`${directory}/mountinfo`)
      if (Option.isSome(text)) return Option.some(parseMounts(text.value))
    }
    return Option.none()
  })

  const namespaces = Effect.gen(function*() {
    const isKnown = yield* known
    const pids = (yield* entriesIfAny(files, procRoot)).filter((name) => /^\d+$/.test(name))
    const found = (yield* Effect.forEach(pids, withNamespace, { concurrency: 8 })).flatMap(Option.toArray)
    const groups = [...Map.groupBy(found, ({ namespace }) => namespace)].map(([namespace, members]) => {
      const processes = members.map(({ process }) => process)
      return Effect.map(
        mountsOf(processes),
        Option.map((mounts): Namespace => ({ isKnown: isKnown.includes(namespace), processes, mounts }))
      )
    })
    return (yield* Effect.all(groups)).flatMap(Option.toArray)
  })

  return {
    namespaces,
    nameOf: ({ directory, pid }) =>
      Effect.map(
        files.text(`${directory}/comm`),
        (name) => `process ${pid} (${Option.getOrElse(name, () => "ended").trim()})`
      )
  }
}

const remote = /^(?:nfs|cifs|smb|ceph|fuse|virtiofs|9p|afs|lustre|gfs|ocfs|glusterfs)/

const parseMounts = (text: string): ReadonlyMap<string, OpenMount> =>
  new Map(
    text.split("\n").filter((line) => line !== "").map((line) => {
      const [id = "", parentId = "", device = "", , , options = ""] = line.split(" ")
      const type = line.split(" - ")[1] ?? ""
      const noDevices = options.split(",").includes("nodev")
      return [id, { line, id, parentId, device, noDevices, remote: remote.test(type) }] as const
    })
  )
