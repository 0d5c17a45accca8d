import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { announce } from "../../src/attachment/Announce.ts"
import { AttachmentEvents } from "../../src/attachment/AttachmentEvents.ts"
import type { Announcement } from "../../src/attachment/Facts.ts"
import * as Metrics from "../../src/observability/Metrics.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { growthOf, volumeId } from "./simulation/Fixtures.ts"

const announced = (...facts: ReadonlyArray<Announcement>) => {
  const published: Array<Announcement> = []
  const { lines, run } = capturedLogs()
  const events = { publish: (fact: Announcement) => Effect.sync(() => published.push(fact)), tell: () => Effect.void }
  const effect = announce(facts).pipe(Effect.provideService(AttachmentEvents, events), run)
  return { lines, published, effect }
}
const attached = { _tag: "Attached", volumeId, nodeId: "a" } as const
const conflict = { _tag: "Conflict", volumeId, nodeId: "b", holders: ["a"], reason: "full" } as const
const ended = {
  _tag: "MigrationEnded",
  volumeId,
  end: { number: 1, source: "a", target: "b", startedAt: 0, endedAt: 20_000, result: "cancelled" }
} as const

describe("what happened", () => {
  it.effect("is logged, as a warning where someone should look at it", () =>
    Effect.gen(function*() {
      const { effect, lines } = announced(attached, conflict, ended)
      yield* effect
      assert.deepStrictEqual(lines.map(({ level, message }) => [level, message]), [
        ["Info", `volume ${volumeId}: attached to node a`],
        ["Warn", `volume ${volumeId}: node b was refused: node a holds the volume`],
        [
          "Warn",
          `volume ${volumeId}: migration from node a to node b failed after 20 s: the target was detached, the source keeps ` +
          "the volume"
        ]
      ])
    }))

  it.effect("is published, but for the end of a migration, which has been told before", () =>
    Effect.gen(function*() {
      const { effect, published } = announced(attached, ended, conflict)
      yield* effect
      assert.deepStrictEqual(published, [attached, conflict])
    }))

  it.effect("is counted", () =>
    Effect.gen(function*() {
      const count = (announcement: Announcement, counter: Metric.Counter<number>, attributes = {}) =>
        growthOf(Metric.withAttributes(counter, attributes), announced(announcement).effect)
      assert.strictEqual(yield* count(conflict, Metrics.attachmentConflictsTotal, { reason: "full" }), 1)
      const stale = { _tag: "StaleCleared", volumeId, nodeId: "a" } as const
      assert.strictEqual(yield* count(stale, Metrics.attachmentStaleClearedTotal), 1)
      assert.strictEqual(yield* count(stale, Metrics.attachmentReconcileTotal, { action: "clear_stale" }), 1)
      const adopted = { _tag: "Adopted", volumeId, nodeId: "a" } as const
      assert.strictEqual(yield* count(adopted, Metrics.attachmentReconcileTotal, { action: "adopt" }), 1)
      for (
        const [result, label] of [["completed", "success"], ["cancelled", "failed"], ["timeout", "timeout"]] as const
      ) {
        const end = { ...ended, end: { ...ended.end, result } }
        assert.strictEqual(yield* count(end, Metrics.migrationMigrationsTotal, { result: label }), 1)
      }
      const before = yield* Metric.value(Metrics.migrationDurationSeconds)
      yield* announced(ended).effect
      const { count: ends, sum } = yield* Metric.value(Metrics.migrationDurationSeconds)
      assert.deepStrictEqual([ends - before.count, sum - before.sum], [1, 20])
      // In a registry of its own: to what tests before have summed up, seconds are not added exactly.
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})
