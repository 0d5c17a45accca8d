import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { access, mkdir, readdir, readFile, rmdir, symlink, unlink, writeFile } from "node:fs/promises"
import { type Export, Exports } from "../Exports.ts"
import { RosError } from "../menu/Menu.ts"
import { SimulatorError } from "../SimulatorError.ts"

/** Where the kernel takes the configuration of its NVMe target (Linux, drivers/nvme/target/configfs.c). */
const configuration = "/sys/kernel/config/nvmet"

/** Tells the subsystems made here from those of anyone else, also those that a killed run has left. */
const model = "rds-csi simulator"

/**
 * Real NVMe/TCP, by the Linux kernel's target: a subsystem for each export, with the image as its namespace 1, on a port of
 * all addresses. Exists as long as the layer; other subsystems of the machine are left alone. An initiator gives a volume up
 * when its identity changes over an outage, so serial number and UUID follow from the NQN.
 */
export const nvmetExports = (root = configuration): Layer.Layer<Exports, SimulatorError> =>
  Layer.effect(
    Exports,
    Effect.gen(function*() {
      const target = makeTarget(root)
      yield* target.begin
      const close = (nqn: string) => Effect.mapError(target.remove(nqn), refused("end", nqn))
      return Exports.of({
        export: (wanted) => Effect.mapError(target.create(wanted), refused("begin", wanted.nqn)),
        unexport: close,
        resize: ({ nqn }) => Effect.mapError(target.resize(nqn), refused("resize", nqn))
      })
    })
  )

const refused = (verb: string, nqn: string) => ({ message }: { readonly message: string }) =>
  new RosError({ message: `failure: can not ${verb} nvme-tcp export ${nqn}: ${message}` })

/** One system call of configfs, where a directory is an object of the kernel and a link a relation. */
const call = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (error) => ({ message: error instanceof Error ? error.message : String(error) })
  })
const exists = (path: string) => Effect.promise(() => access(path).then(() => true, () => false))
const list = (path: string) => call(() => readdir(path))
const makeItem = (path: string) => call(() => mkdir(path))
const removeItem = (path: string) => call(() => rmdir(path))
const relate = (item: string, path: string) => call(() => symlink(item, path))
const unrelate = (path: string) => call(() => unlink(path))
const set = (item: string, attributes: Readonly<Record<string, string>>) =>
  Effect.forEach(
    Object.entries(attributes),
    ([name, value]) => call(() => writeFile(`${item}/${name}`, value)),
    { discard: true }
  )

const makeTarget = (root: string) => {
  const subsystemOf = (nqn: string) => `${root}/subsystems/${nqn}`
  const namespaceOf = (nqn: string) => `${subsystemOf(nqn)}/namespaces/1`
  const hostOf = (nqn: string) => `${root}/hosts/${nqn}`

  const providePort = Effect.fnUntraced(function*(number: number) {
    const port = `${root}/ports/${number}`
    if (yield* exists(port)) return port
    yield* makeItem(port)
    yield* set(port, {
      addr_trtype: "tcp",
      addr_adrfam: "ipv4",
      addr_traddr: "0.0.0.0",
      addr_trsvcid: String(number)
    }).pipe(Effect.tapError(() => Effect.ignore(removeItem(port))))
    return port
  })

  const build = Effect.fnUntraced(function*({ allowedHosts, file, nqn, port }: Export & { readonly file: string }) {
    const subsystem = subsystemOf(nqn)
    const identity = createHash("sha256").update(nqn).digest("hex")
    yield* makeItem(subsystem)
    yield* set(subsystem, {
      attr_model: model,
      attr_serial: identity.slice(0, 20),
      attr_allow_any_host: allowedHosts.length === 0 ? "1" : "0"
    })
    for (const host of allowedHosts) {
      if (!(yield* exists(hostOf(host)))) yield* makeItem(hostOf(host))
      yield* relate(hostOf(host), `${subsystem}/allowed_hosts/${host}`)
    }
    yield* makeItem(namespaceOf(nqn))
    yield* set(namespaceOf(nqn), { device_path: file, device_uuid: uuid(identity), enable: "1" })
    yield* relate(subsystem, `${yield* providePort(port)}/subsystems/${nqn}`)
  })

  const remove = Effect.fnUntraced(function*(nqn: string) {
    const subsystem = subsystemOf(nqn)
    if (!(yield* exists(subsystem))) return
    // First the way in: what initiators have under way ends, and they find no namespace missing.
    for (const number of yield* list(`${root}/ports`)) {
      const port = `${root}/ports/${number}`
      if (!(yield* exists(`${port}/subsystems/${nqn}`))) continue
      yield* unrelate(`${port}/subsystems/${nqn}`)
      if ((yield* list(`${port}/subsystems`)).length === 0) yield* removeItem(port)
    }
    for (const number of yield* list(`${subsystem}/namespaces`)) {
      yield* removeItem(`${subsystem}/namespaces/${number}`)
    }
    const hosts = yield* list(`${subsystem}/allowed_hosts`)
    for (const host of hosts) yield* unrelate(`${subsystem}/allowed_hosts/${host}`)
    yield* removeItem(subsystem)
    // Refused while another subsystem allows the same host.
    for (const host of hosts) yield* Effect.ignore(removeItem(hostOf(host)))
  })

  return {
    /** Checks that the kernel has a target, and ends the exports that a killed run has left. */
    begin: Effect.gen(function*() {
      for (const nqn of yield* list(`${root}/subsystems`)) {
        const found = yield* call(() => readFile(`${subsystemOf(nqn)}/attr_model`, "utf8"))
        if (found.trim() === model) yield* remove(nqn)
      }
    }).pipe(Effect.mapError(({ message }) =>
      new SimulatorError({
        message:
          `exports=nvmet: ${root} cannot be used; it needs root, configfs and the kernel module nvmet-tcp: ${message}`
      })
    )),
    create: Effect.fnUntraced(function*(wanted: Export) {
      const { file, nqn } = wanted
      if (file === undefined) return yield* Effect.fail({ message: "there is no state directory to keep the image in" })
      if (yield* exists(subsystemOf(nqn))) return yield* Effect.fail({ message: "there is one with such nqn" })
      yield* build({ ...wanted, file }).pipe(Effect.tapError(() => Effect.ignore(remove(nqn))))
    }),
    remove,
    /** The kernel takes the size of the image anew, and tells the initiators. */
    resize: (nqn: string) => set(namespaceOf(nqn), { revalidate_size: "1" })
  }
}

const uuid = (hex: string) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
