import { Duration, Effect, Option } from "effect"
import { kernelFiles } from "../../linux/KernelFiles.ts"
import { Nqn } from "../../volume/Nqn.ts"
import type { FabricUnreadable } from "../Errors.ts"
import type { Controller, ControllerState, Subsystem } from "../NvmeFabric.ts"
import { parseEndpoint } from "./Endpoint.ts"
import { makeSysfsFiles, unreadable } from "./SysfsFiles.ts"
import { makeSysfsNamespaces, namespaceNode } from "./SysfsNamespaces.ts"

export interface SysfsOptions {
  /** Where sysfs is mounted. */
  readonly sysRoot: string
  /** The directory that device paths begin with. */
  readonly devRoot: string
  /** The limit of each look, however many files it reads, and of each write. */
  readonly readLimit: Duration.Input
}

/** A subsystem with every block device node of it, those of single paths included. */
export interface Connection extends Subsystem {
  readonly nodes: ReadonlyArray<string>
}

/** The node's NVMe controllers that were asked for. */
interface Controllers {
  readonly identified: ReadonlyArray<{ readonly nqn: Nqn; readonly controller: Controller }>
  readonly unidentified: ReadonlyArray<Controller>
}

/**
 * The kernel's NVMe host as sysfs shows it (Linux, drivers/nvme/host/sysfs.c). Nothing is remembered from one look-up to the
 * next: a look-up takes about 10 ms on a node with a hundred connections, and a remembered name would have to be checked for
 * still being this volume's and its only one. Whoever wants all volumes asks once for all of them.
 */
export const makeSysfs = Effect.fnUntraced(function*(options: SysfsOptions) {
  const files = yield* makeSysfsFiles
  const namespaces = makeSysfsNamespaces(files, options)
  const controllerClass = `${options.sysRoot}/class/nvme`
  const directoryOf = (controller: string) => `${controllerClass}/${controller}`

  /** Fails where the directory is missing: that is a kernel without NVMe or a sysfs that is not the host's, not "none". */
  const names = Effect.flatMap(files.entries(controllerClass), (entries) =>
    Option.isSome(entries)
      ? Effect.succeed(entries.value.filter((name) => /^nvme\d+$/.test(name)))
      : Effect.fail(
        unreadable(controllerClass, "missing; the nvme-tcp module is not loaded, or this is not the host's sysfs")
      ))

  const transportOf = (name: string) =>
    Effect.map(files.attribute(directoryOf(name), "transport"), Option.getOrElse(() => ""))

  /** None when it cannot be read and the controller is a disk in the node itself, which is nobody's concern however odd it is. */
  const subsystemOf = (name: string) =>
    files.required(directoryOf(name), "subsysnqn").pipe(
      Effect.asSome,
      Effect.catchTag(
        "FabricUnreadable",
        (error) =>
          Effect.flatMap(
            transportOf(name),
            (transport) => transport === "pcie" ? Effect.succeedNone : Effect.fail(error)
          )
      )
    )

  const controllerOf = Effect.fnUntraced(function*(name: string) {
    const stateText = yield* files.required(directoryOf(name), "state")
    const addressText = yield* files.required(directoryOf(name), "address")
    const state = states.find((known) => known === stateText)
    const endpoint = parseEndpoint(addressText)
    if (state === undefined) return yield* unreadable(`${directoryOf(name)}/state`, JSON.stringify(stateText))
    if (Option.isNone(endpoint)) return yield* unreadable(`${directoryOf(name)}/address`, JSON.stringify(addressText))
    return { name, state, ...endpoint.value }
  })

  const examine = Effect.fnUntraced(function*(name: string, wanted: (nqn: Nqn) => boolean) {
    const text = yield* subsystemOf(name)
    if (Option.isNone(text)) return none
    if (isNotYetKnown(text.value)) {
      if ((yield* transportOf(name)) !== "tcp") return none
      return { identified: [], unidentified: [yield* controllerOf(name)] }
    }
    const nqn = Option.filter(Nqn.parse(text.value), wanted)
    if (Option.isNone(nqn)) return none
    return { identified: [{ nqn: nqn.value, controller: yield* controllerOf(name) }], unidentified: [] }
  }, Effect.catchTag("Vanished", () => Effect.succeed(none)))

  /**
   * The controllers of the subsystems `wanted`, and those of which the kernel does not know the subsystem yet, because their
   * first connection is still being set up.
   */
  const controllers = Effect.fnUntraced(function*(wanted: (nqn: Nqn) => boolean) {
    const found = yield* Effect.forEach(yield* names, (name) => examine(name, wanted), { concurrency: 8 })
    return {
      identified: found.flatMap(({ identified }) => identified),
      unidentified: found.flatMap(({ unidentified }) => unidentified)
    }
  })

  const glanceAt = Effect.fnUntraced(function*(name: string) {
    const directory = directoryOf(name)
    const state = yield* kernelFiles.text(`${directory}/state`)
    const entries = Option.getOrElse(yield* kernelFiles.entries(directory), () => [])
    const devices = ["", ...entries.filter((entry) => namespaceNode.test(entry))]
    const identities = yield* Effect.forEach(devices, (entry) => kernelFiles.identity(`${directory}/${entry}`))
    return [name, Option.getOrNull(state), devices, identities.map(Option.getOrNull)]
  })

  const glance = Effect.flatMap(names, (all) => Effect.forEach(all, glanceAt)).pipe(
    Effect.map((seen) => JSON.stringify(seen)),
    Effect.catchTag("KernelFileUnreadable", ({ code, path }) => Effect.fail(unreadable(path, code)))
  )

  const limited = <A>(look: Effect.Effect<A, FabricUnreadable>) =>
    Effect.timeoutOrElse(look, {
      duration: options.readLimit,
      orElse: () => {
        const limit = Duration.format(Duration.fromInputUnsafe(options.readLimit))
        return unreadable(controllerClass, `no answer within ${limit}`)
      }
    })

  return {
    controllers: (wanted: (nqn: Nqn) => boolean) => limited(controllers(wanted)),
    glance: limited(glance),
    /** The subsystem as it is behind these controllers of it. */
    connection: (nqn: Nqn, all: ReadonlyArray<Controller>) =>
      limited(Effect.map(namespaces.of(nqn, all), (found) => ({ nqn, controllers: all, ...found }))),
    /** Has the kernel look at the controller's namespaces again, soon after this returns. */
    rescan: (controller: string) =>
      limited(Effect.asVoid(files.write(directoryOf(controller), "rescan_controller", "1")))
  }
})

const none: Controllers = { identified: [], unidentified: [] }

const states: ReadonlyArray<ControllerState> = [
  "new",
  "live",
  "resetting",
  "connecting",
  "deleting",
  "deleting (no IO)",
  "dead"
]

/**
 * The attribute points into the controller's subsystem, which it has only once its first connection is made. Before, the
 * kernel prints what it prints for bad pointers: `(efault)` or `(null)` (Linux, `check_pointer_msg` in lib/vsprintf.c).
 */
const isNotYetKnown = (subsysnqn: string) => subsysnqn.startsWith("(")
