import { Effect, FileSystem } from "effect"

/** A controller as sysfs shows it. Attributes that are left out have the value of a live NVMe/TCP connection. */
export interface FakeController {
  readonly name: string
  readonly nqn: string
  readonly state?: string
  readonly address?: string
  readonly transport?: string
  readonly hostNqn?: string
}

/** A namespace; `instance` is the number at the end of its name. */
export interface FakeNamespace {
  readonly instance: number
  readonly minor: number
  readonly sectors: bigint
  readonly identity?: Readonly<Record<string, string>>
}

/**
 * The part of a sysfs that the NVMe host driver fills, as a kernel lays it out (class directories of links into `devices`), in
 * a directory that goes with the scope.
 */
export const makeSysfsTree = Effect.fnUntraced(function*({ multipath }: { readonly multipath: boolean }) {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  const sysRoot = `${root}/sys`
  const controllers = `${sysRoot}/devices/virtual/nvme-fabrics/ctl`
  const subsystems = `${sysRoot}/devices/virtual/nvme-subsystem`
  for (
    const path of [`${sysRoot}/class/nvme`, `${sysRoot}/class/nvme-subsystem`, controllers, subsystems, `${root}/dev`]
  ) {
    yield* fs.makeDirectory(path, { recursive: true })
  }

  const write = (directory: string, attributes: Readonly<Record<string, string>>) =>
    Effect.forEach(
      Object.entries(attributes),
      ([name, value]) => fs.writeFileString(`${directory}/${name}`, `${value}\n`)
    )

  const device = Effect.fnUntraced(function*(directory: string, attributes: Readonly<Record<string, string>>) {
    yield* fs.makeDirectory(directory)
    yield* write(directory, attributes)
  })

  const listed = (directory: string, classDirectory: string) =>
    fs.symlink(directory, `${sysRoot}/class/${classDirectory}/${directory.slice(directory.lastIndexOf("/") + 1)}`)

  const add = Effect.fnUntraced(function*(controller: FakeController) {
    const { name, nqn, state = "live", transport = "tcp", hostNqn = "nqn.2014-08.org.nvmexpress:uuid:x" } = controller
    const { address = "traddr=10.42.68.1,trsvcid=4420,src_addr=10.42.68.7" } = controller
    yield* device(`${controllers}/${name}`, {
      subsysnqn: nqn,
      state,
      address,
      transport,
      hostnqn: hostNqn,
      rescan_controller: ""
    })
    yield* listed(`${controllers}/${name}`, "nvme")
  })

  const namespaceAttributes = ({ minor, sectors, identity = {} }: FakeNamespace) => ({
    dev: `259:${minor}`,
    size: String(sectors),
    ...identity
  })

  /** The path that multipath hides, behind the controller; `subsystem` is the instance in its name. */
  const addPath = (controller: string, subsystem: number, namespace: FakeNamespace) =>
    device(
      `${controllers}/${controller}/nvme${subsystem}c${controller.slice(4)}n${namespace.instance}`,
      { ...namespaceAttributes(namespace), hidden: "1", dev: "0:0" }
    )

  /** The device of all paths, below the subsystem. */
  const addHead = Effect.fnUntraced(function*(nqn: string, subsystem: number, namespace: FakeNamespace) {
    const directory = `${subsystems}/nvme-subsys${subsystem}`
    yield* device(directory, { subsysnqn: nqn })
    yield* listed(directory, "nvme-subsystem")
    yield* device(`${directory}/nvme${subsystem}n${namespace.instance}`, namespaceAttributes(namespace))
  })

  /** The namespace of one controller, in the form that the kernel gives it. */
  const addNamespace = Effect.fnUntraced(function*({ name, nqn }: FakeController, namespace: FakeNamespace) {
    const instance = Number(name.slice(4))
    if (!multipath) {
      return yield* device(
        `${controllers}/${name}/nvme${instance}n${namespace.instance}`,
        namespaceAttributes(namespace)
      )
    }
    // Another number than the controller's: they are counted apart.
    yield* addPath(name, instance + 10, namespace)
    yield* addHead(nqn, instance + 10, namespace)
  })

  const removeController = Effect.fnUntraced(function*(name: string) {
    yield* fs.remove(`${sysRoot}/class/nvme/${name}`)
    yield* fs.remove(`${controllers}/${name}`, { recursive: true })
    const subsystem = `nvme-subsys${Number(name.slice(4)) + 10}`
    yield* fs.remove(`${sysRoot}/class/nvme-subsystem/${subsystem}`, { force: true })
    yield* fs.remove(`${subsystems}/${subsystem}`, { recursive: true, force: true })
  })

  /** Another with the same name and the same content. */
  const replaceDirectory = Effect.fnUntraced(function*(path: string) {
    yield* fs.rename(`${controllers}/${path}`, `${root}/replaced`)
    yield* fs.copy(`${root}/replaced`, `${controllers}/${path}`)
    yield* fs.remove(`${root}/replaced`, { recursive: true })
  })

  const attribute = (controller: string, name: string) => `${controllers}/${controller}/${name}`

  return {
    sysRoot,
    devRoot: `${root}/dev`,
    add,
    addPath,
    addHead,
    addNamespace,
    removeController,
    replaceDirectory,
    set: (controller: string, attributes: Readonly<Record<string, string>>) =>
      write(`${controllers}/${controller}`, attributes),
    names: fs.readDirectory(`${sysRoot}/class/nvme`),
    read: (controller: string, name: string) =>
      Effect.map(fs.readFileString(attribute(controller, name)), (text) => text.trim())
  }
})

export type SysfsTree = Effect.Success<ReturnType<typeof makeSysfsTree>>
