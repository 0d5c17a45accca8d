import { Option, Schema } from "effect"
import * as Uuid from "./Uuid.ts"

const taggedForm = new RegExp(`^snap-${Uuid.pattern}(-at-[0-9a-f]{1,64})?$`)
const looseForm = /^[A-Za-z0-9-]{1,250}$/
const bareUuid = new RegExp(`^${Uuid.pattern}$`, "i")

const isLoose = (id: string) => looseForm.test(id) && !/^snap-/i.test(id) && !bareUuid.test(id)

const schema = Schema.String.check(
  Schema.makeFilter((id) => taggedForm.test(id) || isLoose(id), { expected: "a snapshot id" })
).pipe(Schema.brand("SnapshotId"))

/**
 * The CSI snapshot id. New ones are `snap-<uuid>-at-<10 hex digits>`; the Go driver also left `snap-<uuid>-at-<hex>` of
 * other lengths, `snap-<uuid>`, and loose ids (letters, digits, hyphens; not starting with `snap-`, not a bare UUID).
 */
export type SnapshotId = typeof schema.Type

/**
 * Pure function of the CO's snapshot name, the same as the Go driver's: `snap-<U>-at-<H>` with U = uuid5(DNS namespace,
 * name) and H = the first 10 hex digits of U. The source volume does not enter it.
 */
const fromName = (name: string): SnapshotId => {
  const uuid = Uuid.v5(name)
  return schema.make(`snap-${uuid}-at-${uuid.replaceAll("-", "").slice(0, 10)}`)
}

export const SnapshotId = {
  schema,
  fromName,
  /** The id, if a snapshot with it can exist at all; None means that no such snapshot exists. */
  parse: (id: string): Option.Option<SnapshotId> => Option.liftPredicate(Schema.is(schema))(id)
}
