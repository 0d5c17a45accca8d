import { Option, Schema } from "effect"
import * as Base32 from "./Base32.ts"
import * as Uuid from "./Uuid.ts"

const uuidForm = new RegExp(`^pvc-(${Uuid.pattern})$`)
const newSlotForm = /^pvc-[a-z2-7]{26}$/
const looseForm = /^[A-Za-z0-9-]+$/
const bareUuid = new RegExp(`^${Uuid.pattern}$`, "i")

/**
 * 223 bytes of NQN (NVMe Base Specification, NVMe Qualified Names) less our prefix. A volume whose id is longer has no
 * valid NQN, so no host could ever have used it.
 */
const maxLooseLength = 198

/**
 * The Go driver also took any name of letters, digits and hyphens. `pvc-` is refused in every case, because NQNs are
 * lower-cased: `PVC-…` would answer to the NQN of another volume.
 */
const isLoose = (id: string) =>
  id.length <= maxLooseLength && looseForm.test(id) && !/^pvc-/i.test(id) && !bareUuid.test(id)

const schema = Schema.String.check(
  Schema.makeFilter((id) => uuidForm.test(id) || isLoose(id), { expected: "a volume id" })
).pipe(Schema.brand("VolumeId"))

/**
 * The CSI volume id (the volume handle of a PersistentVolume): `pvc-<lower-case uuid>`, or a loose id that the Go driver
 * made (letters, digits, hyphens; not starting with `pvc-`, not a bare UUID).
 */
export type VolumeId = typeof schema.Type

const parse: (id: string) => Option.Option<VolumeId> = Option.liftPredicate(Schema.is(schema))

const uuidOf = (id: VolumeId) => Option.fromNullishOr(uuidForm.exec(id)?.[1])

/**
 * Pure function of the CO's name, so that a create that is retried after a crash finds the volume it left:
 * `pvc-<lower-case uuid>` stays what it is, any other name becomes `pvc-<uuid5(DNS namespace, name)>`.
 */
const fromName = (name: string): VolumeId => schema.make(uuidForm.test(name) ? name : `pvc-${Uuid.v5(name)}`)

/**
 * The RouterOS disk slot of a new volume: `pvc-` and the UUID's 128 bits as 26 characters of base32. 30 characters,
 * because newer RouterOS releases cut slots at 32. A loose id, which no new volume has, is its own slot.
 */
const slot = (id: VolumeId): string =>
  Option.match(uuidOf(id), {
    onNone: () => id,
    onSome: (uuid) => `pvc-${Base32.encode(Uuid.toBytes(uuid))}`
  })

/** Every slot under which the appliance may hold the volume: the new form first, then the Go driver's (the id itself). */
const slots = (id: VolumeId): ReadonlyArray<string> => slot(id) === id ? [id] : [slot(id), id]

/** The volume whose slot this is, in either form; None when no volume of ours can have it. Inverse of `slot`. */
const fromSlot = (text: string): Option.Option<VolumeId> =>
  newSlotForm.test(text)
    ? Option.map(Base32.decode(text.slice(4)), (bytes) => schema.make(`pvc-${Uuid.fromBytes(bytes)}`))
    : parse(text)

export const VolumeId = {
  schema,
  fromName,
  /**
   * The id, if a volume with it can exist at all. None means that no such volume exists: callers answer NOT_FOUND or OK,
   * never INVALID_ARGUMENT, as ids are opaque to the CO.
   */
  parse,
  slot,
  slots,
  fromSlot
}
