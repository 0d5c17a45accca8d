import { Effect, Option } from "effect"
import type { Nqn } from "../../volume/Nqn.ts"
import { FabricUnreadable } from "../Errors.ts"
import type { Controller } from "../NvmeFabric.ts"
import { type SysfsFiles, unreadable } from "./SysfsFiles.ts"

/** A block device that can be used, and where sysfs has its attributes. */
interface Disk {
  readonly name: string
  readonly directory: string
}

/**
 * The block devices of subsystems. With native multipath the controller has a hidden `nvmeXcYnZ` for each path, and the one
 * to use is the head `nvmeXnZ` below the subsystem; without, and for namespaces that are not shared, `nvmeXnZ` is the
 * controller's own (Linux, `nvme_set_disk_name` in drivers/nvme/host).
 */
export const makeSysfsNamespaces = (
  files: SysfsFiles,
  { sysRoot, devRoot }: { readonly sysRoot: string; readonly devRoot: string }
) => {
  const nodesOf = ({ name }: Controller) =>
    Effect.map(files.entries(`${sysRoot}/class/nvme/${name}`), (entries) =>
      Option.getOrElse(entries, () => [])
        .filter((entry) => namespaceNode.test(entry))
        .map((node) => ({ node, controller: name })))

  /** A head counts only through a path that exists: one without may be kept by whoever holds it open, and is of no use. */
  const diskOf = Effect.fnUntraced(function*(nqn: Nqn, node: string, controller: string) {
    const path = /^nvme(\d+)c\d+n(\d+)$/.exec(node)
    if (path === null) return { name: node, directory: `${sysRoot}/class/nvme/${controller}/${node}` }
    const subsystem = `${sysRoot}/class/nvme-subsystem/nvme-subsys${path[1]}`
    const owner = yield* files.required(subsystem, "subsysnqn")
    if (owner !== nqn) return yield* unreadable(subsystem, `it is ${JSON.stringify(owner)} instead of ${nqn}`)
    const name = `nvme${path[1]}n${path[2]}`
    return { name, directory: `${subsystem}/${name}` }
  })

  const deviceOf = Effect.fnUntraced(function*({ name, directory }: Disk) {
    const number = yield* files.required(directory, "dev")
    const sectors = yield* files.required(directory, "size")
    const [, major, minor] = /^(\d+):(\d+)$/.exec(number) ?? []
    if (major === undefined || minor === undefined) return yield* unreadable(`${directory}/dev`, JSON.stringify(number))
    if (!/^\d+$/.test(sectors)) return yield* unreadable(`${directory}/size`, JSON.stringify(sectors))
    return {
      path: `${devRoot}/${name}`,
      major: Number(major),
      minor: Number(minor),
      sizeBytes: BigInt(sectors) * sectorSize,
      identity: yield* identityOf(directory)
    }
  })

  const identityOf = Effect.fnUntraced(function*(directory: string) {
    const uuid = Option.filter(yield* files.attribute(directory, "uuid"), isSet)
    if (Option.isSome(uuid)) return uuid.value
    const nguid = Option.filter(yield* files.attribute(directory, "nguid"), isSet)
    if (Option.isSome(nguid)) return nguid.value
    return Option.getOrElse(Option.filter(yield* files.attribute(directory, "wwid"), isOfNamespace), () => "")
  })

  const device = Effect.fnUntraced(function*(nqn: Nqn, node: string, controller: string) {
    const disk = yield* diskOf(nqn, node, controller)
    return Option.some(yield* deviceOf(disk))
  }, Effect.catchTag("Vanished", () => Effect.succeedNone))

  /**
   * Every node below the controllers, and the one device to use; None while there is none. Two would be two disks under one
   * name, or one disk whose paths the kernel does not join: it cannot be told which is right.
   */
  const of = Effect.fnUntraced(function*(nqn: Nqn, controllers: ReadonlyArray<Controller>) {
    const nodes = (yield* Effect.forEach(controllers, nodesOf)).flat()
    const found = yield* Effect.forEach(nodes, ({ node, controller }) => device(nqn, node, controller))
    const devices = new Map(found.flatMap(Option.toArray).map((one) => [one.path, one]))
    const [first, ...others] = devices.values()
    if (others.length > 0) return yield* ambiguous(nqn, [...devices.keys()])
    return { nodes: nodes.map(({ node }) => node), device: Option.fromUndefinedOr(first) }
  })

  return { of }
}

/** What a controller's directory has its namespaces as. */
export const namespaceNode = /^nvme\d+(c\d+)?n\d+$/

/** Attribute `size` counts these, whatever the device's own block size (Linux, Documentation/ABI/stable/sysfs-block). */
const sectorSize = 512n

const isSet = (id: string) => /[1-9a-f]/i.test(id)

/** The others are made from the target's serial number, which targets change when they restart. */
const isOfNamespace = (wwid: string) => wwid.startsWith("eui.") || wwid.startsWith("uuid.")

const ambiguous = (nqn: Nqn, paths: ReadonlyArray<string>) =>
  new FabricUnreadable({
    message: `subsystem ${nqn} has ${paths.length} block devices on this node (${paths.toSorted().join(", ")}) ` +
      "instead of one; disconnect the connections that are too many"
  })
