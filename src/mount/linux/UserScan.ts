/** What to look for, and where. */
export interface ScanRequest {
  readonly procRoot: string
  readonly sysRoot: string
  /** `major:minor` of the device and of its partitions. */
  readonly devices: ReadonlyArray<string>
  /** The device's size in sectors, by which a loop device counts whose file cannot be found. */
  readonly sectors: string
  /** Whether files that are in use on a file system of the device count, and not only the device itself. */
  readonly files: boolean
}

/** What was found. */
export interface ScanResult {
  readonly users: ReadonlyArray<string>
  /** The mounts of the devices, with their parents, in each mount namespace other than this process's and the host's. */
  readonly namespaces: ReadonlyArray<{ readonly process: string; readonly mountinfo: string }>
}

/**
 * Looks at every process of the host. To be run in a process of its own, since stat(2) of what others have open may wait for
 * a file system; it is sent there as text, so it refers to nothing outside of itself. Throws when something cannot be read,
 * unless that is because a process has ended.
 */
export const scanUsers = ({ devices, files, procRoot, sectors, sysRoot }: ScanRequest): ScanResult => {
  const fs = process.getBuiltinModule("node:fs")
  const users: Array<string> = []
  const found = new Map<string, { readonly process: string; readonly mountinfo: string }>()
  const tables = new Map<
    string,
    ReadonlyMap<string, { readonly device: string; readonly nodev: boolean; readonly remote: boolean }>
  >()
  /** Device numbers as stat(2) gives them (makedev(3)). */
  const numbers = new Set(devices.map((device) => {
    const [major = 0, minor = 0] = device.split(":").map(Number)
    return major * 256 + (minor % 256) + Math.floor(minor / 256) * 2 ** 20
  }))

  const codeOf = (error: unknown) => error instanceof Error && "code" in error ? error.code : undefined
  /** Undefined when it is not there, or not any more. */
  const ifThere = <A>(look: () => A): A | undefined => {
    try {
      return look()
    } catch (error) {
      const code = codeOf(error)
      // EINVAL is mountinfo's word for a process that has ended and was not waited for yet.
      if (typeof code === "string" && ["ENOENT", "ESRCH", "ENOTDIR", "EINVAL"].includes(code)) return undefined
      throw error
    }
  }
  const text = (path: string) => ifThere(() => fs.readFileSync(path, "utf8"))
  const list = (path: string) => ifThere(() => fs.readdirSync(path)) ?? []
  const link = (path: string) => ifThere(() => fs.readlinkSync(path))
  const nameOf = (pid: string) => `process ${pid} (${text(`${procRoot}/${pid}/comm`)?.trim() ?? "ended"})`

  const own = link(`${procRoot}/self/ns/mnt`)
  const host = link(`${procRoot}/1/ns/mnt`)
  if (own === undefined || host === undefined) throw new Error(`${procRoot} does not show the processes of the host`)
  // Process 1 of another PID namespace than the first is the host's only if it has other mounts than a container.
  if (own === host && link(`${procRoot}/self/ns/pid`) !== "pid:[4026531836]") {
    throw new Error("the plugin's container sees its own processes only; it needs hostPID: true")
  }

  /** File systems for which stat(2) asks somebody who may not answer; nobody has block devices there. */
  const remote = /^(?:nfs|cifs|smb|ceph|fuse|9p|afs|lustre|gfs|ocfs|glusterfs)/

  /** Mounts by id in the namespace; those of the devices are kept for the result. */
  const tableOf = (pid: string, namespace: string) => {
    const known = tables.get(namespace)
    if (known !== undefined) return known
    const lines = (text(`${procRoot}/${pid}/mountinfo`) ?? "").split("\n").filter((line) => line !== "")
    const table = new Map(lines.map((line) => {
      const [id = "", , device = "", , , options = ""] = line.split(" ")
      const type = line.split(" - ")[1] ?? ""
      return [id, { device, nodev: options.split(",").includes("nodev"), remote: remote.test(type) }] as const
    }))
    tables.set(namespace, table)
    const mounts = lines.filter((line) => devices.includes(line.split(" ")[2] ?? ""))
    if (mounts.length > 0 && namespace !== own && namespace !== host) {
      const parents = new Set(mounts.map((line) => line.split(" ")[1]))
      const kept = lines.filter((line) => mounts.includes(line) || parents.has(line.split(" ")[0]))
      found.set(namespace, { process: nameOf(pid), mountinfo: kept.join("\n") })
    }
    return table
  }

  const look = (pid: string, directory: string, table: ReturnType<typeof tableOf>) => {
    const careful = files || [...table.values()].some(({ remote }) => remote)
    const mountOf = (fd: string) =>
      table.get(/^mnt_id:\s*(\d+)/m.exec(text(`${directory}/fdinfo/${fd}`) ?? "")?.[1] ?? "")
    const statOf = (fd: string) => {
      try {
        return ifThere(() => fs.statSync(`${directory}/fd/${fd}`))
      } catch (error) {
        // A file system that was shut down fails every stat(2); it cannot hold a device node if it is mounted without devices.
        const mount = mountOf(fd)
        if (mount?.nodev || mount?.remote) return undefined
        throw error
      }
    }
    for (const fd of list(`${directory}/fd`)) {
      const mount = careful ? mountOf(fd) : undefined
      if (files && mount !== undefined && devices.includes(mount.device)) {
        return void users.push(`${nameOf(pid)} has a file open on it`)
      }
      const stats = mount?.remote ? undefined : statOf(fd)
      if (stats === undefined) continue
      if (stats.isBlockDevice() && numbers.has(stats.rdev)) return void users.push(`${nameOf(pid)} has it open`)
      if (files && numbers.has(stats.dev)) return void users.push(`${nameOf(pid)} has a file open on it`)
    }
  }

  const lookAtFiles = (pid: string) => {
    const places = ["cwd", "root", "exe"].map((name) => ifThere(() => fs.statSync(`${procRoot}/${pid}/${name}`)))
    const mapped = (text(`${procRoot}/${pid}/maps`) ?? "").split("\n").some((line) => {
      const [major = "", minor = ""] = line.split(/\s+/)[3]?.split(":") ?? []
      return devices.includes(`${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`)
    })
    if (mapped || places.some((stats) => stats !== undefined && numbers.has(stats.dev))) {
      users.push(`${nameOf(pid)} works in it`)
    }
  }

  for (const pid of list(procRoot).filter((name) => /^\d+$/.test(name))) {
    const namespace = link(`${procRoot}/${pid}/ns/mnt`)
    if (namespace === undefined) continue
    const table = tableOf(pid, namespace)
    look(pid, `${procRoot}/${pid}`, table)
    if (files) lookAtFiles(pid)
  }

  /** A path as process 1 has it. */
  const onHost = (path: string) => ifThere(() => fs.statSync(`${procRoot}/1/root${path}`))

  for (const name of list(`${sysRoot}/block`).filter((name) => name.startsWith("loop"))) {
    const file = text(`${sysRoot}/block/${name}/loop/backing_file`)?.trimEnd()
    if (file === undefined) continue
    const stats = onHost(file)
    const whole = text(`${sysRoot}/block/${name}/loop/offset`)?.trim() === "0" &&
      text(`${sysRoot}/block/${name}/size`)?.trim() === sectors
    const isIt = stats === undefined ? whole : numbers.has(stats.isBlockDevice() ? stats.rdev : files ? stats.dev : -1)
    if (isIt) users.push(`loop device ${name} (${file})`)
  }

  for (const line of (text(`${procRoot}/swaps`) ?? "").split("\n").slice(1)) {
    const [name = "", type] = line.split(/\s+/)
    if (type !== "partition") continue
    const path = name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const stats = onHost(path)
    if (stats === undefined) throw new Error(`swap space ${path} cannot be found`)
    if (numbers.has(stats.rdev)) users.push("swap space")
  }
  return { users, namespaces: [...found.values()] }
}
