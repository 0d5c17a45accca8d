import { Result, Schema } from "effect"
import { accessModes, isSingleNode } from "../volume/AccessMode.ts"

const nodeId = Schema.NonEmptyString
const epochMillis = Schema.Int
const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const holder = Schema.Struct({
  nodeId,
  accessMode: Schema.Literals(accessModes),
  readonly: Schema.Boolean,
  since: epochMillis,
  adopted: Schema.Boolean
})

const migration = Schema.Struct({
  number: count,
  source: nodeId,
  target: nodeId,
  startedAt: epochMillis,
  deadline: epochMillis,
  timedOut: Schema.Boolean
})

const migrationEnd = Schema.Struct({
  number: count,
  source: nodeId,
  target: nodeId,
  startedAt: epochMillis,
  endedAt: epochMillis,
  result: Schema.Literals(["completed", "cancelled", "timeout"])
})

const fields = {
  revision: count,
  holders: Schema.Array(holder),
  migration: Schema.NullOr(migration),
  migrations: count,
  migrationTimeoutSeconds: count,
  untold: Schema.Array(migrationEnd)
}

/** A node that may use the volume. Times are in milliseconds since the epoch, of the clock of whoever wrote them. */
export type Holder = typeof holder.Type

/** Two nodes hold the volume, so that a virtual machine can move from `source` to `target`. */
export type Migration = typeof migration.Type

/**
 * What names a migration of a volume. The number alone does not: a record that was lost and rebuilt counts from the start.
 * Nor does the time: clocks may step.
 */
export type MigrationName = Pick<Migration, "number" | "startedAt">

/** Whether both are the same migration of a volume. */
export const isSameMigration = (one: MigrationName, other: MigrationName): boolean =>
  one.number === other.number && one.startedAt === other.startedAt

/**
 * How a migration ended: `completed`, the source left; `cancelled`, the target left; `timeout`, the deadline passed with both
 * still there. A migration ends once: what happens after a timeout is no second end.
 */
export type MigrationEnd = typeof migrationEnd.Type

/**
 * Who may use a volume, as it is kept in the volume's record:
 *
 * - `revision` grows with every write, so that no two writes are equal and each one fails all others based on the same state.
 * - `holders` in the order in which they were granted. A holder is `adopted` when it was found attached without a grant: its
 *   access mode and readonly flag are then guesses.
 * - `migration`, while two nodes hold the volume.
 * - `migrations`: how many have begun so far; `migrationTimeoutSeconds`: how long the next one may take.
 * - `untold`: the ends of migrations that nobody has been told of for certain yet, oldest first.
 */
export interface AttachmentState {
  readonly revision: number
  readonly holders: ReadonlyArray<Holder>
  readonly migration: Migration | null
  readonly migrations: number
  readonly migrationTimeoutSeconds: number
  readonly untold: ReadonlyArray<MigrationEnd>
}

/** A volume that nobody has used yet. */
export const emptyState: AttachmentState = {
  revision: 0,
  holders: [],
  migration: null,
  migrations: 0,
  migrationTimeoutSeconds: 300,
  untold: []
}

/** The holders' nodes, in order. */
export const nodesOf = (holders: ReadonlyArray<Holder>): ReadonlyArray<string> => holders.map(({ nodeId }) => nodeId)

/** Whether every holder has a mode that lets another node hold the volume. */
export const mayShare = (holders: ReadonlyArray<Holder>): boolean =>
  holders.every(({ accessMode }) => !isSingleNode(accessMode))

/** Whether more nodes hold the volume than may: two that share it, or one. */
export const hasTooMany = (holders: ReadonlyArray<Holder>): boolean => holders.length > (mayShare(holders) ? 2 : 1)

/** What is wrong between fields that are each right by themselves; undefined when nothing is. */
const contradiction = ({ holders, migration }: AttachmentState): string | undefined => {
  const nodes = new Set(nodesOf(holders))
  if (nodes.size !== holders.length) return "a node holds the volume twice"
  if (migration === null) return undefined
  const { deadline, source, startedAt, target } = migration
  if (source === target || !nodes.has(source) || !nodes.has(target)) return "the migration is not between two holders"
  return deadline < startedAt ? "the migration ends before it starts" : undefined
}

const record = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), ...fields }).check(Schema.makeFilter((state) => contradiction(state)))
)

/** The text that keeps a state: JSON, with the version of its form. */
export const encodeState = (state: AttachmentState): string => encode({ version: 1, ...state })

/**
 * The state that a text keeps. Anything else than what `encodeState` writes is a failure with the reason, never an empty
 * state: a text that someone edited says nothing about who holds the volume.
 */
export const decodeState = (text: string): Result.Result<AttachmentState, string> =>
  Result.mapBoth(decode(text), {
    onFailure: (error) => error.message,
    onSuccess: ({ version: _, ...state }) => state
  })

const encode = Schema.encodeSync(record)
const decode = Schema.decodeUnknownResult(record)
