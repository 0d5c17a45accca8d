import { Option, Result } from "effect"
import { type AccessMode, type Capability, checkCombination } from "../volume/AccessMode.ts"
import type { InvalidArgument } from "../volume/Errors.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import {
  type AttachmentState,
  hasTooMany,
  type Holder,
  isSameMigration,
  type Migration,
  type MigrationEnd,
  type MigrationName,
  nodesOf
} from "./AttachmentState.ts"
import type { AttachmentConflict, AttachmentIncompatible } from "./Errors.ts"
import type { Announcement } from "./Facts.ts"
import { conflictOf, incompatible } from "./Refusals.ts"

/** A node asks for the volume (CSI spec, ControllerPublishVolume). */
export interface Publish {
  readonly _tag: "Publish"
  readonly nodeId: string
  readonly capability: Capability
  readonly readonly: boolean
  readonly migrationTimeoutSeconds: number
}

/** A node, or without one every node, is done with the volume (CSI spec, ControllerUnpublishVolume). */
export interface Unpublish {
  readonly _tag: "Unpublish"
  readonly nodeId: Option.Option<string>
}

/** A node was found attached without a grant. */
export interface Adopt {
  readonly _tag: "Adopt"
  readonly nodeId: string
  readonly accessMode: AccessMode
  readonly readonly: boolean
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly migrationTimeoutSeconds: number
}

/** Something that changes who may use a volume, or asks to. */
export type Command =
  | Publish
  | Unpublish
  | Adopt
  /** A holder has not been attached for longer than the grace period. */
  | { readonly _tag: "Drop"; readonly nodeId: string }
  /** The deadline of this migration has passed. */
  | { readonly _tag: "Deadline"; readonly of: MigrationName }
  /** The end of this migration is known to be told. */
  | { readonly _tag: "Told"; readonly of: MigrationName }

/** What a node that asks for a volume may be told. */
export type Refusal = AttachmentConflict | AttachmentIncompatible | InvalidArgument

/**
 * What a command does:
 *
 * - `Write`: the new state. It holds from the moment it is recorded, and only then the facts are true.
 * - `Keep`: things are as the command wants them.
 * - `Refuse`: with the error that answers the caller. Nothing changes.
 */
export type Transition =
  | { readonly _tag: "Write"; readonly state: AttachmentState; readonly facts: ReadonlyArray<Announcement> }
  | { readonly _tag: "Keep" }
  | { readonly _tag: "Refuse"; readonly error: Refusal; readonly facts: ReadonlyArray<Announcement> }

/** Ends that wait to be told. They do so only while events cannot be delivered; then the oldest are given up. */
const maxUntold = 8

const keep: Transition = { _tag: "Keep" }

/**
 * Decides what a command does to who may use a volume. Nothing else decides it. `now` is in milliseconds since the epoch.
 *
 * - A volume in a single-node mode has one holder. MULTI_NODE_MULTI_WRITER is for raw block, and for at most two holders that
 *   both have that mode: the second one begins a migration. No time that passes lets in another.
 * - Publishing again for a holder confirms its grant, if mode and readonly flag are the same. The confirmation is a write too:
 *   whoever is about to take the grant away, on what was so before, must lose that race.
 * - A migration ends once: when the source leaves, when the target leaves, or when its deadline passes. The deadline takes the
 *   volume from nobody, since the guest may be running on either node.
 * - Nodes that were found attached hold the volume, however many they are. More than allowed means that nobody else gets it.
 */
export const transition = (volumeId: VolumeId, state: AttachmentState, command: Command, now: number): Transition => {
  switch (command._tag) {
    case "Publish":
      return publish(volumeId, state, command, now)
    case "Unpublish":
      return unpublish(volumeId, state, command, now)
    case "Adopt":
      return adopt(volumeId, state, command, now)
    case "Drop":
      return drop(volumeId, state, command.nodeId, now)
    case "Deadline":
      return deadline(state, command.of, now)
    case "Told":
      return told(volumeId, state, command.of)
  }
}

/** What several commands do, one after the other; those that are refused do nothing. */
export const transitions = (
  volumeId: VolumeId,
  state: AttachmentState,
  commands: ReadonlyArray<Command>,
  now: number
): { readonly state: AttachmentState; readonly facts: ReadonlyArray<Announcement> } =>
  commands.reduce<{ readonly state: AttachmentState; readonly facts: ReadonlyArray<Announcement> }>(
    (before, command) => {
      const next = transition(volumeId, before.state, command, now)
      return next._tag === "Write" ? { state: next.state, facts: [...before.facts, ...next.facts] } : before
    },
    { state, facts: [] }
  )

const publish = (volumeId: VolumeId, state: AttachmentState, command: Publish, now: number): Transition => {
  const combination = checkCombination(command.capability)
  if (Result.isFailure(combination)) return { _tag: "Refuse", error: combination.failure, facts: [] }
  const { capability: { accessMode }, migrationTimeoutSeconds, nodeId, readonly } = command
  const own = state.holders.find((holder) => holder.nodeId === nodeId)
  if (own !== undefined && !own.adopted && (own.accessMode !== accessMode || own.readonly !== readonly)) {
    return { _tag: "Refuse", error: incompatible(volumeId, own, { accessMode, readonly }), facts: [] }
  }
  const granted = { nodeId, accessMode, readonly, since: own?.since ?? now, adopted: false }
  const holders = own === undefined
    ? [...state.holders, granted]
    : state.holders.map((holder) => holder === own ? granted : holder)
  if (hasTooMany(holders)) return { _tag: "Refuse", ...conflictOf(volumeId, state, { nodeId, accessMode }) }
  const facts = own === undefined ? [{ _tag: "Attached", volumeId, nodeId } as const] : []
  return write(volumeId, { ...state, migrationTimeoutSeconds }, holders, now, facts)
}

const unpublish = (volumeId: VolumeId, state: AttachmentState, { nodeId }: Unpublish, now: number): Transition => {
  const leaves = (holder: Holder) => Option.getOrElse(nodeId, () => holder.nodeId) === holder.nodeId
  const leaving = state.holders.filter(leaves)
  if (leaving.length === 0) return keep
  const holders = state.holders.filter((holder) => !leaves(holder))
  return write(
    volumeId,
    state,
    holders,
    now,
    leaving.map(({ nodeId }) => ({ _tag: "Detached", volumeId, nodeId }))
  )
}

const adopt = (volumeId: VolumeId, state: AttachmentState, command: Adopt, now: number): Transition => {
  const { accessMode, migrationTimeoutSeconds, nodeId, readonly, since } = command
  if (state.holders.some((holder) => holder.nodeId === nodeId)) return keep
  const holders = [
    ...state.holders.filter((holder) => holder.since <= since),
    { nodeId, accessMode, readonly, since, adopted: true },
    ...state.holders.filter((holder) => holder.since > since)
  ]
  return write(volumeId, { ...state, migrationTimeoutSeconds }, holders, now, [
    { _tag: "Adopted", volumeId, nodeId },
    ...(hasTooMany(holders) ? [{ _tag: "TooManyHolders", volumeId, holders: nodesOf(holders) } as const] : [])
  ])
}

const drop = (volumeId: VolumeId, state: AttachmentState, nodeId: string, now: number): Transition => {
  const holders = state.holders.filter((holder) => holder.nodeId !== nodeId)
  return holders.length === state.holders.length
    ? keep
    : write(volumeId, state, holders, now, [{ _tag: "StaleCleared", volumeId, nodeId }])
}

const deadline = (state: AttachmentState, of: MigrationName, now: number): Transition => {
  const { migration } = state
  if (migration === null || !isSameMigration(migration, of) || migration.timedOut) return keep
  return {
    _tag: "Write",
    state: {
      ...state,
      revision: state.revision + 1,
      migration: { ...migration, timedOut: true },
      untold: untoldWith(state, endOf(migration, "timeout", now))
    },
    facts: []
  }
}

const told = (volumeId: VolumeId, state: AttachmentState, of: MigrationName): Transition => {
  const ends = state.untold.filter((end) => isSameMigration(end, of))
  if (ends.length === 0) return keep
  const untold = state.untold.filter((end) => !isSameMigration(end, of))
  return {
    _tag: "Write",
    state: { ...state, revision: state.revision + 1, untold },
    facts: ends.map((end) => ({ _tag: "MigrationEnded", volumeId, end }))
  }
}

/** The state with these holders: a migration one of whose nodes left has ended, and two nodes that share are a new one. */
const write = (
  volumeId: VolumeId,
  before: AttachmentState,
  holders: ReadonlyArray<Holder>,
  now: number,
  facts: ReadonlyArray<Announcement>
): Transition => {
  const state = endMigration({ ...before, revision: before.revision + 1, holders }, now)
  const begun = state.migration === null ? beginMigration(state) : undefined
  if (begun === undefined) return { _tag: "Write", state, facts }
  const { source, target } = begun
  const timeoutSeconds = state.migrationTimeoutSeconds
  return {
    _tag: "Write",
    state: { ...state, migration: begun, migrations: begun.number },
    facts: [...facts, { _tag: "MigrationStarted", volumeId, source, target, timeoutSeconds }]
  }
}

const endMigration = (state: AttachmentState, now: number): AttachmentState => {
  const { migration } = state
  if (migration === null) return state
  const nodes = nodesOf(state.holders)
  const targetStays = nodes.includes(migration.target)
  if (targetStays && nodes.includes(migration.source)) return state
  const end = endOf(migration, targetStays ? "completed" : "cancelled", now)
  return { ...state, migration: null, untold: migration.timedOut ? state.untold : untoldWith(state, end) }
}

/** Two nodes share the volume since the second came; a node that was found attached may have come some time ago. */
const beginMigration = ({ holders, migrations, migrationTimeoutSeconds }: AttachmentState): Migration | undefined => {
  const [source, target] = holders
  if (source === undefined || target === undefined || hasTooMany(holders)) return undefined
  return {
    number: migrations + 1,
    source: source.nodeId,
    target: target.nodeId,
    startedAt: target.since,
    deadline: target.since + migrationTimeoutSeconds * 1000,
    timedOut: false
  }
}

const endOf = (migration: Migration, result: MigrationEnd["result"], endedAt: number): MigrationEnd => {
  const { deadline: _, timedOut: __, ...identity } = migration
  return { ...identity, endedAt, result }
}

const untoldWith = ({ untold }: AttachmentState, end: MigrationEnd) => [...untold, end].slice(-maxUntold)
