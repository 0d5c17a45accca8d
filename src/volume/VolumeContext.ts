import { Option, Result } from "effect"
import { type ConnectionTuning, parseTuning, tuningRules } from "./ConnectionTuning.ts"
import { InvalidArgument } from "./Errors.ts"
import { decodeMigrationTimeout } from "./MigrationTimeout.ts"
import { Nqn } from "./Nqn.ts"
import { defaultPort, validateAddress, validatePort } from "./NvmeEndpoint.ts"
import type { VolumePath } from "./PathRules.ts"
import type { StorageClassParameters } from "./StorageClassParameters.ts"
import type { VolumeId } from "./VolumeId.ts"

/** What a node needs to connect a volume. Times are in seconds. */
export interface VolumeContext {
  readonly nqn: Nqn
  /** The data-plane address, an IP literal. */
  readonly address: string
  readonly port: number
  readonly tuning: ConnectionTuning
  readonly migrationTimeoutSeconds: number
}

/**
 * The `volume_context` that CreateVolume answers and that the PersistentVolume keeps for life, under the keys that the Go
 * driver used. `volumePath` holds the image's path, not its directory. Name, path and port are those that the appliance
 * reports, since an existing volume keeps its own.
 */
export const encode = (
  parameters: StorageClassParameters,
  volume: { readonly nqn: Nqn; readonly imagePath: VolumePath; readonly port: number }
): Record<string, string> => ({
  rdsAddress: parameters.rdsAddress,
  nvmeAddress: parameters.nvmeAddress,
  nvmePort: String(volume.port),
  nqn: volume.nqn,
  volumePath: volume.imagePath,
  ctrlLossTmo: String(parameters.ctrlLossTmo),
  reconnectDelay: String(parameters.reconnectDelay),
  keepAliveTmo: String(parameters.keepAliveTmo),
  migrationTimeoutSeconds: String(parameters.migrationTimeoutSeconds)
})

/**
 * Reads a `volume_context` of this driver or of any release of the Go driver: without `nvmeAddress` the data goes to
 * `rdsAddress`, without `nqn` the name is derived from the id, absent or unreadable tuning means the defaults. Keys that
 * the CO adds (provisioner identity, pod information) are ignored; an empty value counts as absent. Fails for an address,
 * port or NQN that is there and wrong; an NQN other than the volume's own would be another volume's data.
 */
export const decode = (
  context: Readonly<Record<string, string>>,
  id: VolumeId
): Result.Result<VolumeContext, InvalidArgument> =>
  Result.gen(function*() {
    const given = new Map(Object.entries(context).filter(([, value]) => value !== ""))
    const tuning = (key: keyof ConnectionTuning) =>
      Option.getOrElse(parseTuning(key, given.get(key) ?? ""), () => tuningRules[key].fallback)
    return {
      nqn: yield* decodeNqn(given.get("nqn"), id),
      address: yield* decodeAddress(given),
      port: yield* decodePort(given.get("nvmePort")),
      tuning: {
        ctrlLossTmo: tuning("ctrlLossTmo"),
        reconnectDelay: tuning("reconnectDelay"),
        keepAliveTmo: tuning("keepAliveTmo")
      },
      migrationTimeoutSeconds: decodeMigrationTimeout(given.get("migrationTimeoutSeconds")).seconds
    }
  })

const decodeNqn = (text: string | undefined, id: VolumeId): Result.Result<Nqn, InvalidArgument> => {
  const expected = Nqn.ofVolume(id)
  return text === undefined || text === expected ? Result.succeed(expected) : Result.fail(
    new InvalidArgument({
      field: "volume_context nqn",
      message: `volume_context nqn ${JSON.stringify(text)} is not the name of volume ${id}: it must be ${expected}`
    })
  )
}

const decodeAddress = (given: ReadonlyMap<string, string>): Result.Result<string, InvalidArgument> => {
  const field = given.has("nvmeAddress") ? "nvmeAddress" : "rdsAddress"
  const text = given.get(field)
  return text === undefined
    ? Result.fail(
      new InvalidArgument({
        field: "volume_context nvmeAddress",
        message: "volume_context has neither nvmeAddress nor rdsAddress: one of them must be the volume's data address"
      })
    )
    : validateAddress(text, `volume_context ${field}`)
}

const decodePort = (text: string | undefined): Result.Result<number, InvalidArgument> =>
  text === undefined ? Result.succeed(defaultPort) : validatePort(text, "volume_context nvmePort")
