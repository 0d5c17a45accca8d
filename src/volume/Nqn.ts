import { Option, Schema } from "effect"
import * as Uuid from "./Uuid.ts"
import type { VolumeId } from "./VolumeId.ts"

const prefix = "nqn.2000-02.com.mikrotik:"
const form = /^nqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?:[a-z0-9._:-]+$/
const ours = new RegExp(`^nqn\\.2000-02\\.com\\.mikrotik:pvc-${Uuid.pattern}$`)

const schema = Schema.String.check(Schema.isMaxLength(223), Schema.isPattern(form)).pipe(Schema.brand("Nqn"))

/**
 * An NVMe Qualified Name, `nqn.yyyy-mm.<reverse domain>:<text>`, at most 223 bytes (NVMe Base Specification, NVMe
 * Qualified Names), of lower-case letters, digits, `.`, `_`, `:` and `-` only, as all of this driver's are.
 */
export type Nqn = typeof schema.Type

/** The UUID that stands for a node in its host NQN and host id: uuid5(DNS namespace, node id). */
const hostId = (nodeId: string): string => Uuid.v5(nodeId)

export const Nqn = {
  schema,
  prefix,
  /** The name under which the appliance exports the volume: the prefix and the lower-cased id. */
  ofVolume: (id: VolumeId): Nqn => schema.make(prefix + id.toLowerCase()),
  /** None for names that this driver never makes; such a subsystem is somebody else's. */
  parse: (text: string): Option.Option<Nqn> => Option.liftPredicate(Schema.is(schema))(text),
  /**
   * Whether the name by itself proves a volume of this driver: the prefix and `pvc-<uuid>`. RouterOS gives any exported
   * disk `nqn.2000-02.com.mikrotik:<slot>`, so a loose id proves nothing; those volumes are reached by `ofVolume` alone.
   */
  isOurs: (nqn: string): boolean => ours.test(nqn),
  /** Stands for "no host" where an empty list would mean every host: a name that no host has. */
  nobody: schema.make(`${prefix}no-host`),
  hostId,
  /** The host NQN of a node in the UUID form of the NVMe Base Specification; controller and node agree on it without talking. */
  host: (nodeId: string): Nqn => schema.make(`nqn.2014-08.org.nvmexpress:uuid:${hostId(nodeId)}`)
}
