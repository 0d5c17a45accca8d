import { Result } from "effect"
import { InvalidArgument, OutOfRange } from "./Errors.ts"

const MiB = 1n << 20n
const GiB = 1n << 30n
const TiB = 1n << 40n

/** The smallest volume, in bytes, and the size of one for which the CO names no size. */
export const MIN_BYTES = GiB
/** The largest volume, in bytes. */
export const MAX_BYTES = 16n * TiB

/** CSI CapacityRange, in bytes; 0 means that the bound is not given. */
export interface CapacityRange {
  readonly requiredBytes: bigint
  readonly limitBytes: bigint
}

/**
 * The exact size of a new volume. No range: 1 GiB. Less than 1 GiB is raised to it if the limit allows. A size that is
 * not a multiple of 1 MiB is rounded up to one if the limit allows, and otherwise taken as it is: a requirement is
 * never rounded down.
 */
export const resolveCapacity = (
  range: CapacityRange | undefined
): Result.Result<bigint, InvalidArgument | OutOfRange> =>
  Result.gen(function*() {
    const { limitBytes, requiredBytes } = yield* checkRange(range ?? { requiredBytes: 0n, limitBytes: 0n })
    const wanted = requiredBytes < MIN_BYTES ? MIN_BYTES : requiredBytes
    if (wanted > MAX_BYTES || exceeds(wanted, limitBytes)) {
      return yield* Result.fail(outOfRange(requiredBytes, limitBytes))
    }
    return roundUp(wanted, limitBytes)
  })

/**
 * The size to which an expansion has to bring a volume: the required size, rounded as for a new volume. Whoever grows the
 * volume leaves a larger one as it is, and answers OutOfRange when that is more than the limit.
 */
export const resolveExpand = (range: CapacityRange): Result.Result<bigint, InvalidArgument | OutOfRange> =>
  Result.gen(function*() {
    if (range.requiredBytes === 0n && range.limitBytes === 0n) {
      return yield* Result.fail(
        new InvalidArgument({
          field: "capacity_range",
          message: "capacity_range names neither required_bytes nor limit_bytes: at least one is required"
        })
      )
    }
    const { limitBytes, requiredBytes } = yield* checkRange(range)
    if (requiredBytes > MAX_BYTES) return yield* Result.fail(outOfRange(requiredBytes, limitBytes))
    return roundUp(requiredBytes, limitBytes)
  })

/**
 * Whether an existing volume of `bytes` answers a repeated CreateVolume with this range: not smaller than required and
 * not larger than the limit. A volume that has grown since, or that was made for a larger request without limit, is
 * compatible, as the CSI specification has it; a smaller one never is, because the provisioner deletes a volume that
 * is smaller than what it asked for.
 */
export const satisfies = (range: CapacityRange | undefined, bytes: bigint): boolean =>
  range === undefined || (bytes >= range.requiredBytes && !exceeds(bytes, range.limitBytes))

/**
 * For people: exact where a number of at most four digits, such as `1500 GiB` or `1.5 TiB`, is; else cut to two decimals of
 * the largest binary unit, with the bytes behind it.
 */
export const formatBytes = (bytes: bigint): string => {
  const exact = units.find(([size]) => bytes >= size && bytes < 10_000n * size && (bytes * 100n) % size === 0n)
  const [size, name] = exact ?? units.find(([size]) => bytes >= size) ?? [1n, "bytes"]
  const short = `${Number(bytes * 100n / size) / 100} ${name}`
  return exact === undefined && size > 1n ? `${short} (${bytes} bytes)` : short
}

const units = [[TiB, "TiB"], [GiB, "GiB"], [MiB, "MiB"], [1024n, "KiB"]] as const

const exceeds = (bytes: bigint, limitBytes: bigint) => limitBytes > 0n && bytes > limitBytes

const roundUp = (bytes: bigint, limitBytes: bigint) => {
  const rounded = (bytes + MiB - 1n) / MiB * MiB
  return exceeds(rounded, limitBytes) ? bytes : rounded
}

const checkRange = (range: CapacityRange): Result.Result<CapacityRange, InvalidArgument> => {
  const invalid = (field: string, problem: string) =>
    Result.fail(
      new InvalidArgument({ field: `capacity_range.${field}`, message: `capacity_range.${field} ${problem}` })
    )
  if (range.requiredBytes < 0n) return invalid("required_bytes", `is ${range.requiredBytes}: it must not be negative`)
  if (range.limitBytes < 0n) return invalid("limit_bytes", `is ${range.limitBytes}: it must not be negative`)
  return exceeds(range.requiredBytes, range.limitBytes)
    ? invalid("limit_bytes", `is ${range.limitBytes}: it must not be below required_bytes, ${range.requiredBytes}`)
    : Result.succeed(range)
}

const outOfRange = (requiredBytes: bigint, limitBytes: bigint) =>
  new OutOfRange({
    message: `a volume of ${requiredBytes} bytes${limitBytes > 0n ? `, at most ${limitBytes},` : ""} cannot be made: ` +
      `volumes have between ${formatBytes(MIN_BYTES)} and ${formatBytes(MAX_BYTES)}`
  })
