import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Metric } from "effect"
import { AttachmentEvents } from "../../src/attachment/AttachmentEvents.ts"
import type { Fact, MigrationEnded } from "../../src/attachment/Facts.ts"
import { eventsDroppedTotal, eventsPostedTotal } from "../../src/observability/Metrics.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import type { SeenRequest } from "../support/kubernetes/Faults.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { kinds } from "../support/kubernetes/Kinds.ts"
import { part, text } from "../support/kubernetes/ObjectStore.ts"
import { startReplica } from "../support/kubernetes/Replica.ts"
import { until } from "../support/Until.ts"

const v1 = VolumeId.fromName("v1")

const start = Effect.fnUntraced(function*(config: Parameters<typeof startCluster>[1] = {}) {
  const cluster = yield* startCluster({}, config)
  cluster.addVolume(v1, { name: "static", claim: "apps/data" })
  const replica = yield* startReplica(cluster.api)
  yield* replica.synced
  return { ...cluster, ...replica, tell: Context.get(replica.context, AttachmentEvents) }
})

const isEvent = ({ plural }: SeenRequest) => plural === "events"
const attached: Fact = { _tag: "Attached", volumeId: v1, nodeId: "n1" }
const ended: MigrationEnded = {
  _tag: "MigrationEnded",
  volumeId: v1,
  end: { number: 1, source: "a", target: "b", startedAt: 0, endedAt: 30_000, result: "completed" }
}

describe("KubernetesEvents", () => {
  it.live("an event on the claim that kubectl describe shows", () =>
    Effect.gen(function*() {
      const { events, tell } = yield* start()
      yield* tell.publish(attached)
      yield* until(Effect.sync(() => events().length === 1))
      const [event = {}] = events()
      assert.deepInclude(event, {
        involvedObject: {
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          namespace: "apps",
          name: "data",
          uid: "uid-data"
        },
        type: "Normal",
        reason: "VolumeAttached",
        message: `[${v1}]: attached to node n1`,
        source: { component: "rds-csi-controller" },
        count: 1
      })
      assert.strictEqual(part(event, "metadata")["namespace"], "apps")
      assert.match(text(event, "lastTimestamp"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    }))

  const facts: ReadonlyArray<readonly [Fact | MigrationEnded, string, string]> = [
    [attached, "VolumeAttached", "Normal"],
    [{ ...attached, _tag: "Detached" }, "VolumeDetached", "Normal"],
    [
      { _tag: "MigrationStarted", volumeId: v1, source: "a", target: "b", timeoutSeconds: 300 },
      "MigrationStarted",
      "Normal"
    ],
    [
      { _tag: "Conflict", volumeId: v1, nodeId: "b", holders: ["a"], reason: "held" },
      "AttachmentConflict",
      "Warning"
    ],
    [{ ...attached, _tag: "StaleCleared" }, "StaleAttachmentCleared", "Normal"],
    [{ ...attached, _tag: "Adopted" }, "AttachmentAdopted", "Normal"],
    [{ _tag: "TooManyHolders", volumeId: v1, holders: ["a", "b", "c"] }, "TooManyAttachments", "Warning"],
    [{ _tag: "RecordUnreadable", volumeId: v1, reason: "?" }, "AttachmentRecordUnreadable", "Warning"],
    [ended, "MigrationCompleted", "Normal"],
    [{ ...ended, end: { ...ended.end, result: "cancelled" } }, "MigrationFailed", "Warning"],
    [{ ...ended, end: { ...ended.end, result: "timeout" } }, "MigrationFailed", "Warning"]
  ]
  it.live("every fact under the reason and type that dashboards know", () =>
    Effect.gen(function*() {
      const { events, tell } = yield* start()
      for (const [fact] of facts) yield* fact._tag === "MigrationEnded" ? tell.tell(fact) : tell.publish(fact)
      yield* until(Effect.sync(() => events().length === facts.length))
      assert.sameDeepMembers(
        events().map(({ reason, type }) => [reason, type]),
        facts.map(([, reason, type]) => [reason, type])
      )
    }))

  it.live("what is said again is counted in the event that said it first (trap: repeated events were spammed)", () =>
    Effect.gen(function*() {
      const { events, objects, requests, tell } = yield* start()
      const count = (n: number) => until(Effect.sync(() => events()[0]?.["count"] === n))
      yield* tell.publish(attached)
      yield* count(1)
      for (let i = 0; i < 50; i++) yield* tell.publish(attached)
      yield* count(51)
      assert.strictEqual(events().length, 1)
      assert.isBelow(requests.filter(isEvent).length, 10)
      const metadata = part(events()[0] ?? {}, "metadata")
      const key = { kind: kinds.event, name: text(metadata, "name"), namespace: text(metadata, "namespace") }
      objects.remove(key)
      yield* tell.publish(attached)
      yield* count(1)
    }))

  it.live("an event whose answer is lost is there once", () =>
    Effect.gen(function*() {
      const { events, faults, requests, tell } = yield* start()
      faults.add({ fault: { _tag: "CutAfter" }, match: isEvent, times: 1 })
      yield* tell.publish(attached)
      yield* until(Effect.sync(() => requests.filter(isEvent).length === 2))
      yield* until(Effect.sync(() => events().length === 1))
      assert.strictEqual(events()[0]?.["count"], 1)
    }))

  it.live("publishing waits for nothing: what does not fit is dropped and counted", () =>
    Effect.gen(function*() {
      const { faults, tell } = yield* start({ callTimeout: "100 millis" })
      faults.add({ fault: { _tag: "Hang" }, match: isEvent, times: 1 })
      const publish = Effect.forEach([...Array(1000).keys()], (n) => tell.publish({ ...attached, nodeId: `n${n}` }))
      yield* Effect.timeout(publish, "2 seconds")
      const dropped = yield* Metric.value(Metric.withAttributes(eventsDroppedTotal, { cause: "queue_full" }))
      assert.isAtLeast(dropped.count, 400)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("an event that is refused is given up, and the next one goes through", () =>
    Effect.gen(function*() {
      const { events, faults, tell } = yield* start()
      faults.add({ fault: { _tag: "Error", code: 403 }, match: isEvent, times: 1 })
      yield* tell.publish(attached)
      yield* tell.publish({ ...attached, nodeId: "n2" })
      yield* until(Effect.sync(() => events().length === 1))
      const posted = Metric.value(Metric.withAttributes(eventsPostedTotal, { reason: "VolumeAttached" }))
      yield* until(Effect.map(posted, ({ count }) => count === 1))
      const refused = yield* Metric.value(Metric.withAttributes(eventsDroppedTotal, { cause: "refused" }))
      assert.strictEqual(refused.count, 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), capturedLogs().run))

  it.live("what waits when the process ends is still posted", () =>
    Effect.gen(function*() {
      const { events, stop, tell } = yield* start()
      yield* tell.publish(attached)
      yield* stop
      assert.strictEqual(events().length, 1)
    }))

  it.live("the end of a migration is told once, however often and by whomever", () =>
    Effect.gen(function*() {
      const { api, events, faults, tell } = yield* start()
      const other = Context.get((yield* startReplica(api)).context, AttachmentEvents)
      faults.add({ fault: { _tag: "CutAfter" }, match: isEvent, times: 1 })
      assert.strictEqual((yield* Effect.flip(tell.tell(ended)))._tag, "EventsUnavailable")
      yield* Effect.all([tell.tell(ended), other.tell(ended)], { concurrency: 2 })
      yield* tell.tell(ended)
      assert.strictEqual(events().length, 1)
      yield* tell.tell({ ...ended, end: { ...ended.end, number: 2 } })
      assert.strictEqual(events().length, 2)
    }))

  it.live("nobody to tell: no PersistentVolume, no claim, a namespace that is going", () =>
    Effect.gen(function*() {
      const { addVolume, events, faults, tell } = yield* start()
      const v2 = VolumeId.fromName("v2")
      yield* tell.tell({ ...ended, volumeId: v2 })
      addVolume(v2, { claim: "" })
      yield* tell.tell({ ...ended, volumeId: v2 })
      const message = "unable to create new content in namespace apps because it is being terminated"
      faults.add({ fault: { _tag: "Error", code: 403, message }, match: isEvent, times: 1 })
      yield* tell.tell(ended)
      faults.add({ fault: { _tag: "Error", code: 404 }, match: isEvent, times: 1 })
      yield* tell.tell(ended)
      assert.strictEqual(events().length, 0)
    }))
})
