import { Effect, Metric, Option } from "effect"
import { Mounter } from "../../../mount/Mounter.ts"
import { StageRecords } from "../../../mount/StageRecords.ts"
import { NvmeFabric, type Subsystem } from "../../../nvme/NvmeFabric.ts"
import { orphansCleanedTotal } from "../../../observability/Metrics.ts"
import { Nqn } from "../../../volume/Nqn.ts"
import { VolumeId } from "../../../volume/VolumeId.ts"
import { exclusively } from "../Volume.ts"
import type { WatchConfig } from "./Watcher.ts"

/** Repeats until it succeeds. */
type Retried = <A, E extends { readonly message: string }, R>(
  self: Effect.Effect<A, E, R>
) => Effect.Effect<A, never, R>

/**
 * Ends connections that an interrupted staging left: those whose NQN proves a volume of this driver, that have no record, no
 * mount and no holder, and were so at the start and again after the grace period. Each is looked at once more under its
 * volume's lock. Whatever is less certain is left alone.
 */
export const cleanOrphans = Effect.fnUntraced(function*(config: WatchConfig, retried: Retried) {
  const suspects = yield* retried(findOrphans)
  for (const id of suspects) {
    yield* Effect.logWarning("found a connection without a stage record; it is ended if nothing uses it by and by")
      .pipe(
        Effect.annotateLogs({ volume_id: id })
      )
  }
  if (suspects.length === 0) return
  yield* Effect.sleep(config.orphanGracePeriod)
  const still = yield* retried(findOrphans)
  const orphans = suspects.filter((id) => still.includes(id))
  yield* Effect.forEach(orphans, (id) => end(config, id), { discard: true })
})

/** The volumes that are connected for nobody. */
const findOrphans = Effect.gen(function*() {
  const fabric = yield* NvmeFabric
  const subsystems = yield* fabric.subsystems
  const found = yield* Effect.forEach(
    subsystems,
    (subsystem) => Effect.map(isOrphan(subsystem), (orphan) => orphan ? Option.toArray(volumeOf(subsystem)) : [])
  )
  return found.flat()
})

/** The volume whose NQN this is. A loose id's NQN may be that of any disk of the appliance, so those have none. */
const volumeOf = ({ nqn }: Subsystem): Option.Option<VolumeId> =>
  Nqn.isOurs(nqn) ? VolumeId.parse(nqn.slice(Nqn.prefix.length)) : Option.none()

const isOrphan = Effect.fnUntraced(function*(subsystem: Subsystem) {
  const mounter = yield* Mounter
  const records = yield* StageRecords
  const id = volumeOf(subsystem)
  if (Option.isNone(id) || (yield* records.has(id.value))) return false
  if (Option.isNone(subsystem.device)) return true
  const device = subsystem.device.value
  if ((yield* mounter.mountsOf(device)).length > 0) return false
  return (yield* mounter.holders(device)).length === 0
})

const end = (config: WatchConfig, id: VolumeId) =>
  exclusively(config.node, id)(Effect.gen(function*() {
    const fabric = yield* NvmeFabric
    const nqn = Nqn.ofVolume(id)
    const subsystem = (yield* fabric.subsystems).find((one) => one.nqn === nqn)
    if (subsystem === undefined || !(yield* isOrphan(subsystem))) return
    yield* Effect.uninterruptible(fabric.disconnect(nqn))
    yield* Metric.update(orphansCleanedTotal, 1)
    yield* Effect.logWarning("ended a connection that belonged to no staged volume")
  })).pipe(
    Effect.catch(({ message: error }) =>
      Effect.annotateLogs(Effect.logWarning("a connection that belongs to no staged volume is left"), { error })
    ),
    Effect.annotateLogs({ volume_id: id })
  )
