import { Arbitrary, Result, Schema } from "effect"
import { VolumeId } from "../../src/volume/VolumeId.ts"

/** Any 128 bits in the lower-case 8-4-4-4-12 form. */
export const uuid = Arbitrary.schema(
  Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: (1n << 128n) - 1n }))
).pipe(Arbitrary.map((bits) => {
  const hex = bits.toString(16).padStart(32, "0")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}))

/** Ids that only the Go driver made. */
export const looseId = Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9-]{0,60}$/))).pipe(
  Arbitrary.filterMap((text) => Result.fromOption(VolumeId.parse(text), () => text))
)

/** Every form of volume id. */
export const volumeId = Arbitrary.flatMap(
  Arbitrary.schema(Schema.Boolean),
  (isLoose) => isLoose ? looseId : Arbitrary.map(uuid, (digits) => VolumeId.fromName(`pvc-${digits}`))
)
