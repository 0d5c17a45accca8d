import { Option, Result } from "effect"
import { type ConnectionTuning, parseTuning, tuningRules } from "./ConnectionTuning.ts"
import { InvalidArgument } from "./Errors.ts"
import { decodeMigrationTimeout } from "./MigrationTimeout.ts"
import { defaultPort, validateAddress, validatePort } from "./NvmeEndpoint.ts"
import { validateUnder, type VolumePath } from "./PathRules.ts"

/** What a StorageClass says about its volumes. Times are in seconds. */
export interface StorageClassParameters extends ConnectionTuning {
  /** The directory of the images. */
  readonly volumePath: VolumePath
  /** The data-plane address. */
  readonly nvmeAddress: string
  readonly nvmePort: number
  /** The management address, only copied to the volume context; it does not redirect the control plane. */
  readonly rdsAddress: string
  readonly migrationTimeoutSeconds: number
}

/** What the controller is configured with; `nvmeAddress` is empty when the configuration names none. */
export interface ParameterDefaults {
  readonly base: VolumePath
  readonly nvmeAddress: string
  readonly rdsAddress: string
}

const keys = [
  "volumePath",
  "nvmeAddress",
  "nvmePort",
  "rdsAddress",
  "ctrlLossTmo",
  "reconnectDelay",
  "keepAliveTmo",
  "migrationTimeoutSeconds"
] as const

/** Keys that the Go driver's documents show and that never had an effect; classes that carry them cannot be edited. */
const keysWithoutEffect = ["fsType", "sshPort", "nqnPrefix"]

/** Keys by which the CO speaks to its own sidecars; `GetCapacity` receives them as well. */
export const coPrefix = "csi.storage.k8s.io/"

/**
 * Decodes the parameters of a StorageClass. An empty value counts as a key that is not given. Unknown keys and values
 * that cannot work are InvalidArgument; what immutable classes of the Go driver may carry is taken as that driver took
 * it, each time with a warning that says what to write instead.
 */
export const decode = (
  parameters: Readonly<Record<string, string>>,
  defaults: ParameterDefaults
): Result.Result<{ parameters: StorageClassParameters; warnings: Array<string> }, InvalidArgument> =>
  Result.gen(function*() {
    const given = new Map(
      Object.entries(parameters).filter(([key, value]) => value !== "" && !key.startsWith(coPrefix))
    )
    const ignored = yield* checkKeys(Array.from(given.keys()))
    const rdsAddress = yield* decodeRdsAddress(given.get("rdsAddress") ?? defaults.rdsAddress)
    const port = yield* decodePort(given.get("nvmePort"))
    const migration = decodeMigrationTimeout(given.get("migrationTimeoutSeconds"))
    const warnings = [
      ...ignored.map((key) => `parameter ${key} has no effect: leave it out of the class`),
      ...Option.toArray(port.warning),
      ...Option.toArray(migration.warning)
    ]
    return {
      parameters: {
        volumePath: yield* validateUnder(defaults.base, given.get("volumePath") ?? defaults.base, "volumePath"),
        nvmeAddress: yield* validateAddress(
          given.get("nvmeAddress") ?? (defaults.nvmeAddress === "" ? rdsAddress : defaults.nvmeAddress),
          "nvmeAddress"
        ),
        nvmePort: port.value,
        rdsAddress,
        ctrlLossTmo: yield* decodeTuning("ctrlLossTmo", given),
        reconnectDelay: yield* decodeTuning("reconnectDelay", given),
        keepAliveTmo: yield* decodeTuning("keepAliveTmo", given),
        migrationTimeoutSeconds: migration.seconds
      },
      warnings
    }
  })

/** The keys without effect among the given ones. */
const checkKeys = (given: ReadonlyArray<string>): Result.Result<ReadonlyArray<string>, InvalidArgument> => {
  const known: ReadonlyArray<string> = keys
  const unknown = given.find((key) => !known.includes(key) && !keysWithoutEffect.includes(key))
  return unknown === undefined
    ? Result.succeed(given.filter((key) => keysWithoutEffect.includes(key)))
    : Result.fail(
      new InvalidArgument({
        field: unknown,
        message: `StorageClass parameter ${JSON.stringify(unknown)} is not known: use ${keys.join(", ")}`
      })
    )
}

const decodeRdsAddress = (text: string): Result.Result<string, InvalidArgument> =>
  /^[\x21-\x7e]{1,253}$/.test(text) ? Result.succeed(text) : Result.fail(
    new InvalidArgument({
      field: "rdsAddress",
      message: `rdsAddress ${JSON.stringify(text)} must be a host name or address without blanks`
    })
  )

/** Digits at the start count, whatever follows them, as they did for the Go driver's scanner; no digits mean 4420. */
const decodePort = (
  text: string | undefined
): Result.Result<{ value: number; warning: Option.Option<string> }, InvalidArgument> => {
  if (text === undefined) return Result.succeed({ value: defaultPort, warning: Option.none() })
  const digits = /^\s*([+-]?[0-9]+)/.exec(text)?.[1]
  return Result.map(validatePort(digits ?? String(defaultPort), "nvmePort"), (value) => ({
    value,
    warning: text === String(value)
      ? Option.none()
      : Option.some(`nvmePort ${JSON.stringify(text)} is taken as ${value}: write a port number from 1 to 65535`)
  }))
}

const decodeTuning = (
  key: keyof ConnectionTuning,
  given: ReadonlyMap<string, string>
): Result.Result<number, InvalidArgument> => {
  const text = given.get(key)
  const { fallback, maximum, minimum } = tuningRules[key]
  if (text === undefined) return Result.succeed(fallback)
  return Result.fromOption(parseTuning(key, text), () =>
    new InvalidArgument({
      field: key,
      message: `${key} ${JSON.stringify(text)} must be a whole number of seconds from ${minimum} to ${maximum}`
    }))
}
