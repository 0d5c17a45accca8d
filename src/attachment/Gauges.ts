import { Clock, Effect, Metric, Schedule } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import { type AttachmentState, emptyState, hasTooMany } from "./AttachmentState.ts"
import { type AttachmentRecord, AttachmentStore } from "./AttachmentStore.ts"

/** The gauge with this label. Unlike `Metric.withAttributes` it does not put its labels together anew at each update. */
const labelled = ({ description, id }: Metric.Gauge<number>, state: string) =>
  Metric.gauge(id, { description, attributes: { state } })

const byState = ["attached", "migrating", "timed_out", "too_many", "unreadable"].map((state) => ({
  state,
  volumes: labelled(Metrics.attachmentVolumes, state),
  holders: labelled(Metrics.attachmentHolders, state)
}))

/**
 * Shows what is recorded, now and every 15 seconds, for as long as it runs. Then nothing is held as far as this replica
 * says, so that the sum over all replicas is right.
 */
export const showGauges = Effect.gen(function*() {
  const store = yield* AttachmentStore
  const refresh = Effect.gen(function*() {
    const listed = yield* store.list
    yield* show(listed.map(({ record }) => record), yield* Clock.currentTimeMillis)
  })
  return yield* Effect.repeat(Effect.ignore(refresh), Schedule.spaced("15 seconds"))
}).pipe(Effect.ensuring(Effect.flatMap(Clock.currentTimeMillis, (now) => show([], now))))

const show = Effect.fnUntraced(function*(records: ReadonlyArray<AttachmentRecord>, now: number) {
  const volumes = records.map((record) => {
    const state = record._tag === "Recorded" ? record.state : emptyState
    return { ...state, volumeState: record._tag === "Unreadable" ? "unreadable" : volumeStateOf(state) }
  })
  for (const gauges of byState) {
    const these = volumes.filter(({ volumeState }) => volumeState === gauges.state)
    yield* Metric.update(gauges.volumes, these.length)
    yield* Metric.update(gauges.holders, these.reduce((sum, { holders }) => sum + holders.length, 0))
  }
  const migrations = volumes.flatMap(({ migration }) => migration ?? [])
  const remaining = migrations.filter(({ timedOut }) => !timedOut).map(({ deadline }) => Math.max(deadline - now, 0))
  yield* Metric.update(Metrics.migrationActiveMigrations, migrations.length)
  yield* Metric.update(Metrics.migrationRemainingSeconds, remaining.length === 0 ? 0 : Math.min(...remaining) / 1000)
})

const volumeStateOf = ({ holders, migration }: AttachmentState) => {
  if (holders.length === 0) return undefined
  if (hasTooMany(holders)) return "too_many"
  if (migration === null) return "attached"
  return migration.timedOut ? "timed_out" : "migrating"
}
