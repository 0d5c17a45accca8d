import { Clock, Effect, FiberMap, MutableHashMap, Option, Semaphore } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { AttachmentEvents } from "./AttachmentEvents.ts"
import {
  emptyState,
  isSameMigration,
  type Migration,
  type MigrationEnd,
  type MigrationName
} from "./AttachmentState.ts"
import { AttachmentStore } from "./AttachmentStore.ts"
import { backoff } from "./Backoff.ts"
import { commit, type CommitServices } from "./Commit.ts"
import type { StoreUnavailable } from "./Errors.ts"

/** Sees to what the record of a volume says about migrations. To be called whenever the record may have changed. */
export interface Migrations {
  observe(volumeId: VolumeId): Effect.Effect<void, StoreUnavailable, CommitServices>
}

/**
 * Sees to it that each migration ends once, and is told of once, in whatever process it began:
 *
 * - One fiber for each running migration sleeps until the deadline, and then records that it has passed. It sleeps for what
 *   is left when it first hears of the migration, so that neither a restart nor a step of the clock makes the wait longer
 *   than the whole timeout.
 * - One fiber for each volume tells how its migrations ended, and then records that this is done.
 *
 * Both go on trying until they succeed. What they have to do is on record: another replica, or this one after a restart,
 * finds it there. All fibers end with the scope.
 */
export const superviseMigrations = Effect.gen(function*() {
  const timers = yield* FiberMap.make<VolumeId>()
  const tellers = yield* FiberMap.make<VolumeId>()
  const armed = MutableHashMap.empty<VolumeId, MigrationName>()
  // One at a time: what is read last must be acted upon last.
  const turn = yield* Semaphore.make(1)

  const isArmed = (volumeId: VolumeId, migration: Migration) =>
    Option.exists(MutableHashMap.get(armed, volumeId), (name) => isSameMigration(name, migration))

  /** A record that was lost and rebuilt may bring the same migration again. */
  const disarm = (volumeId: VolumeId) => Effect.sync(() => MutableHashMap.remove(armed, volumeId))

  const watch = Effect.fnUntraced(function*(volumeId: VolumeId, migration: Migration | null) {
    if (migration === null) {
      MutableHashMap.remove(armed, volumeId)
      return yield* FiberMap.remove(timers, volumeId)
    }
    if (isArmed(volumeId, migration)) return
    MutableHashMap.set(armed, volumeId, migration)
    yield* FiberMap.run(timers, volumeId, Effect.andThen(expire(volumeId, migration), disarm(volumeId)))
  })

  return {
    observe: Effect.fnUntraced(function*(volumeId: VolumeId) {
      const { migration, untold } = yield* recordedState(volumeId)
      yield* watch(volumeId, migration)
      if (untold.length > 0) yield* FiberMap.run(tellers, volumeId, tell(volumeId, untold))
    }, turn.withPermit)
  }
})

const recordedState = Effect.fnUntraced(function*(volumeId: VolumeId) {
  const store = yield* AttachmentStore
  const record = Option.getOrUndefined(yield* store.peek(volumeId))
  return record?._tag === "Recorded" ? record.state : emptyState
})

const expire = Effect.fnUntraced(function*(volumeId: VolumeId, migration: Migration) {
  const { deadline, startedAt } = migration
  const remaining = deadline - (yield* Clock.currentTimeMillis)
  yield* Effect.sleep(Math.min(Math.max(remaining, 0), deadline - startedAt))
  yield* Effect.retry(commit(volumeId, { _tag: "Deadline", of: migration }), backoff)
})

const tell = Effect.fnUntraced(function*(volumeId: VolumeId, untold: ReadonlyArray<MigrationEnd>) {
  const events = yield* AttachmentEvents
  for (const end of untold) {
    yield* Effect.retry(events.tell({ _tag: "MigrationEnded", volumeId, end }), backoff)
    yield* Effect.retry(commit(volumeId, { _tag: "Told", of: end }), backoff)
  }
})
