import { Context, Effect, Layer, type Option, Schedule, type Stream } from "effect"
import type { VolumePath } from "../volume/PathRules.ts"
import type { SnapshotId } from "../volume/SnapshotId.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { ConnectionState } from "./ConnectionHealth.ts"
import { createVolume } from "./CreateVolume.ts"
import { cutSnapshot } from "./CutSnapshot.ts"
import type { RdsError } from "./Errors.ts"
import type { ExecError } from "./Exec.ts"
import { fillVolume } from "./FillVolume.ts"
import { growVolume } from "./GrowVolume.ts"
import { listLeftovers } from "./Leftovers.ts"
import { limitHosts } from "./LimitHosts.ts"
import { listVolumes, lookUpVolume } from "./Lookup.ts"
import type {
  CreateSpec,
  Holder,
  HostLimit,
  LeftoverFile,
  Origin,
  PoolCapacity,
  RdsSnapshot,
  RdsVolume,
  SnapshotSpec
} from "./Model.ts"
import { poolCapacity } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { releaseVolume } from "./Release.ts"
import { removeSnapshot } from "./RemoveSnapshot.ts"
import { removeVolume } from "./RemoveVolume.ts"
import type { Run } from "./Run.ts"
import { listSnapshots, lookUpSnapshot } from "./Snapshots.ts"
import { SshPool } from "./SshPool.ts"
import { switchExport } from "./SwitchExport.ts"

export type { ConnectionState } from "./ConnectionHealth.ts"
export type { CreateSpec, LeftoverFile, Origin, PoolCapacity, RdsSnapshot, RdsVolume, SnapshotSpec } from "./Model.ts"

/**
 * The appliance in domain words. Every method is idempotent, and costs one SSH exec when nothing is wrong (remove takes
 * two); a lost answer is retried a bounded number of times before it becomes `ApplianceUnavailable`.
 */
export class RdsClient extends Context.Service<RdsClient, {
  /** Makes and exports the volume; one that has this NQN already is answered as it is: the caller compares its size. */
  readonly create: (spec: CreateSpec) => Effect.Effect<RdsVolume, RdsError>
  /**
   * Makes and exports a volume with the content of a snapshot or of another volume, at least as large as that; one that has
   * this NQN already is answered as it is: the caller compares what it was made of. What has to be copied goes on in the
   * background, as `CopyRunning` tells; a volume is copied only while no node holds it.
   */
  readonly createFrom: <E>(
    spec: CreateSpec,
    origin: Origin,
    holder: Holder<E>
  ) => Effect.Effect<RdsVolume, RdsError | E>
  /** The volume, if there is one; concurrent calls share one exec. */
  readonly get: (id: VolumeId) => Effect.Effect<Option.Option<RdsVolume>, RdsError>
  /** Every volume of this driver, sorted by id; complete, or an error. */
  readonly list: Effect.Effect<ReadonlyArray<RdsVolume>, RdsError>
  /** Grows to at least `sizeBytes`, never shrinks; the volume afterwards, none if there is no such volume. */
  readonly grow: (id: VolumeId, sizeBytes: bigint) => Effect.Effect<Option.Option<RdsVolume>, RdsError>
  /** The volume, free to be used; fails while it is being copied. A copy that ended without a word is over then. */
  readonly release: (volume: RdsVolume) => Effect.Effect<RdsVolume, RdsError>
  /** Succeeds only when item and backing file are both verified gone. */
  readonly remove: (id: VolumeId) => Effect.Effect<void, RdsError>
  /** Lets exactly these hosts connect; connections that stand are not cut. Succeeds when there is no such volume. */
  readonly limitHosts: (id: VolumeId, limit: HostLimit) => Effect.Effect<void, RdsError>
  /**
   * Cuts a snapshot of the volume; one with that id and that source is answered as it is. A copy goes on in the background;
   * until it has ended the snapshot is not ready, and the volume, which no node may hold, is off the network.
   */
  readonly snapshot: <E>(spec: SnapshotSpec, holder: Holder<E>) => Effect.Effect<RdsSnapshot, RdsError | E>
  /** The snapshot, if it was cut. */
  readonly getSnapshot: (id: SnapshotId) => Effect.Effect<Option.Option<RdsSnapshot>, RdsError>
  /** Every snapshot that was cut, sorted by id; complete, or an error. */
  readonly listSnapshots: Effect.Effect<ReadonlyArray<RdsSnapshot>, RdsError>
  /** Succeeds only when the snapshot is verified gone. What was made of it is not touched. */
  readonly removeSnapshot: (id: SnapshotId) => Effect.Effect<void, RdsError>
  /**
   * Switches the export of exactly this item on or off: slot, NQN, file and comment must still be what the caller saw. Answers
   * the volume as it is then; none if it is not this item any more, and then nothing was changed.
   */
  readonly switchExport: (volume: RdsVolume, exported: boolean) => Effect.Effect<Option.Option<RdsVolume>, RdsError>
  /** Files below the base that are named like a volume's image and that no item uses, sorted by path; complete, or an error. */
  readonly leftovers: Effect.Effect<ReadonlyArray<LeftoverFile>, RdsError>
  /** Of the pool whose mount point holds `path`. */
  readonly capacity: (path: VolumePath) => Effect.Effect<PoolCapacity, RdsError>
  /** No I/O. */
  readonly state: Effect.Effect<ConnectionState>
  /** The present state first, then each new one. Never ends. */
  readonly states: Stream.Stream<ConnectionState>
}>()("rds-csi/rds/RdsClient") {
  static readonly layer = (config: RdsConfig) =>
    Layer.effect(
      RdsClient,
      Effect.gen(function*() {
        const pool = yield* SshPool
        const run: Run = (script, limit) => Effect.retry(pool.run(script, limit), retryLost)
        const version = Effect.map(pool.state, (state) => state.version ?? "")
        const context = { run, config, version }
        return RdsClient.of({
          create: createVolume(run, config),
          createFrom: fillVolume(context),
          get: lookUpVolume(run),
          list: listVolumes(run),
          grow: growVolume(run, config),
          release: releaseVolume(run, config),
          remove: removeVolume(run, config),
          limitHosts: limitHosts(run),
          snapshot: cutSnapshot(context),
          getSnapshot: lookUpSnapshot(run, config),
          listSnapshots: listSnapshots(run, config),
          removeSnapshot: removeSnapshot(run, config),
          switchExport: switchExport(run),
          leftovers: listLeftovers(run, config),
          capacity: poolCapacity(run, config),
          state: pool.state,
          states: pool.states
        })
      })
    )
}

/**
 * Scripts are idempotent, so one whose answer was lost is sent again as it is. One that timed out may still be running.
 */
const retryLost = {
  while: (error: ExecError) => error._tag === "ApplianceUnavailable" && error.reason === "lost",
  schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
  times: 3
}
