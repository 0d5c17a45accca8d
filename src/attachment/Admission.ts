import { Effect, Option } from "effect"
import { Nqn } from "../volume/Nqn.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { type AttachmentState, nodesOf } from "./AttachmentState.ts"
import { AttachmentStore } from "./AttachmentStore.ts"
import { AttachmentUnknown } from "./Errors.ts"
import { HostAccess, type WhenOpen } from "./HostAccess.ts"

/** Writers that get in between before a call gives up. */
const maxRounds = 5

/** How long a pass waits for whatever else is being done with a volume. */
const lockWait = "1 second"

/** Shuts out the nodes that are about to lose the volume, before that is recorded. */
export const shutOut = Effect.fnUntraced(
  function*(volumeId: VolumeId, before: AttachmentState, after: AttachmentState) {
    const { enforced, limit } = yield* HostAccess
    const held = nodesOf(before.holders)
    const stay = nodesOf(after.holders).filter((nodeId) => held.includes(nodeId))
    if (enforced && stay.length < held.length) yield* limit(volumeId, stay, whenOpenFor(stay))
  }
)

/**
 * Lets in the nodes that are recorded as holders, and looks afterwards whether they still are: another replica may have
 * recorded others and let them in before this one did.
 */
export const letIn = Effect.fnUntraced(
  function*(volumeId: VolumeId, holders: ReadonlyArray<string>, whenOpen: WhenOpen) {
    const { enforced, limit } = yield* HostAccess
    if (!enforced) return
    let wanted = holders
    for (let round = 0; round < maxRounds; round++) {
      yield* limit(volumeId, wanted, whenOpen)
      const recorded = yield* recordedHolders(volumeId)
      if (Option.isNone(recorded) || areSame(wanted, recorded.value)) return
      wanted = recorded.value
    }
    return yield* new AttachmentUnknown({
      message:
        `who may connect to volume ${volumeId} could not be set for certain: the nodes that hold it keep changing; ` +
        "try again"
    })
  }
)

/** Lets in exactly the nodes that hold the volume by now. */
export const readmit = Effect.fnUntraced(function*(volumeId: VolumeId) {
  const { enforced } = yield* HostAccess
  if (!enforced) return
  const recorded = yield* recordedHolders(volumeId)
  if (Option.isSome(recorded)) yield* letIn(volumeId, recorded.value, whenOpenFor(recorded.value))
})

/** Readmits at every volume whose limits at the appliance are not what its record says, as after a crash in between. */
export const readmitAll = Effect.gen(function*() {
  const { enforced, limits } = yield* HostAccess
  if (!enforced) return
  const store = yield* AttachmentStore
  const lock = yield* VolumeLock
  const found = yield* limits
  for (const { record, volumeId } of yield* store.list) {
    const limit = found.get(volumeId)
    if (record._tag !== "Recorded" || limit === undefined) continue
    if (!differs(limit, nodesOf(record.state.holders))) continue
    yield* readmit(volumeId).pipe(
      lock.withLockWithin(volumeId, lockWait),
      Effect.catch(({ message }) =>
        Effect.logWarning(`volume ${volumeId}: who may connect to it could not be set: ${message}`)
      )
    )
  }
}).pipe(
  Effect.catch(({ message }) => Effect.logWarning(`who may connect to volumes could not be compared: ${message}`)),
  Effect.withSpan("Reconciler.readmitAll")
)

/** A volume that nobody uses can be shut; one in use stays open if it was. */
const whenOpenFor = (nodes: ReadonlyArray<string>): WhenOpen => nodes.length === 0 ? "limit" : "leave"

const differs = (limit: Option.Option<ReadonlyArray<string>>, nodes: ReadonlyArray<string>) =>
  Option.match(limit, {
    onNone: () => nodes.length === 0,
    onSome: (hosts) => !areSame(hosts, nodes.map(Nqn.host))
  })

/** None: nothing readable is recorded, so nobody is shut out. */
const recordedHolders = Effect.fnUntraced(function*(volumeId: VolumeId) {
  const store = yield* AttachmentStore
  const record = Option.getOrUndefined(yield* store.read(volumeId))
  return record?._tag === "Recorded" ? Option.some(nodesOf(record.state.holders)) : Option.none()
})

const areSame = (these: ReadonlyArray<string>, those: ReadonlyArray<string>) =>
  new Set(these).symmetricDifference(new Set(those)).size === 0
