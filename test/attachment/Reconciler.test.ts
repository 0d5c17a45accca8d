import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Metric, Option, Queue, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Metrics from "../../src/observability/Metrics.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { ClusterClient } from "./simulation/ClusterClient.ts"
import { settle, startController } from "./simulation/Controller.ts"
import {
  alone,
  attachment,
  clusterOf,
  growthOf,
  orchestrator,
  recorded,
  recordedNodes,
  shared,
  volumeId
} from "./simulation/Fixtures.ts"
import { attachmentKey } from "./simulation/SimulatedCluster.ts"

const tagsOf = ({ published }: ClusterClient) => published.map((fact) => fact._tag)
const actions = (action: string) => Metric.withAttributes(Metrics.attachmentReconcileTotal, { action })
const single = { accessMode: "SINGLE_NODE_WRITER" } as const

/** A controller and a cluster in which nodes a and b share the volume. */
const sharing = Effect.fnUntraced(function*() {
  const cluster = clusterOf(volumeId)
  const controller = yield* startController(cluster)
  const { attach, detach } = orchestrator(cluster, controller.fencing)
  yield* attach(shared("a", 3600))
  yield* attach(shared("b", 3600))
  return { ...controller, attach, cluster, detach }
})

/** The attachment goes, and nobody tells the driver to release the node. */
const forget = (cluster: ReturnType<typeof clusterOf>, nodeId: string) =>
  cluster.removeAttachment(attachmentKey(volumeId, nodeId))

describe("the start of the controller", () => {
  it.effect("trap: rebuild failed and left an empty table: nothing is granted before everything is known", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a", single))
      const client = new ClusterClient(cluster, [])
      client.isPartitioned = true
      const { fencing, reconciler } = yield* startController(cluster, { client })
      yield* TestClock.adjust("1 hour")
      const error = yield* Effect.flip(fencing.publish(alone("b")))
      assert.strictEqual(error._tag, "AttachmentUnknown")
      assert.strictEqual(
        error.message,
        `volume ${volumeId} cannot be attached yet: the controller has just started and does not know yet who holds which ` +
          "volume; try again"
      )
      client.isPartitioned = false
      client.hear()
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* reconciler.isReady)
      assert.strictEqual((yield* Effect.flip(fencing.publish(alone("b"))))._tag, "AttachmentConflict")
    }))

  it.effect("is over only when everything that was found is on record", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a", single))
      const client = new ClusterClient(cluster, [])
      client.faults = [undefined, "refused"]
      const { reconciler } = yield* startController(cluster, { client })
      assert.isFalse(yield* reconciler.isReady)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* reconciler.isReady)
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      const { value } = yield* Metric.value(Metrics.attachmentRebuildDurationSeconds)
      assert.isTrue(value >= 0.2 && value <= 0.3, `${value} s`)
    }))

  it.effect("takes over what a driver attached that kept no record, and what it was asked to attach", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("b", { createdAt: 60_000, attached: false }))
      cluster.setAttachment(attachment("a", { createdAt: 20_000, deleting: true }))
      const { client } = yield* startController(cluster)
      assert.deepStrictEqual(recorded(cluster)?.holders.map(({ adopted, nodeId, since }) => [nodeId, since, adopted]), [
        ["a", 20_000, true],
        ["b", 60_000, true]
      ])
      assert.deepInclude(recorded(cluster)?.migration, {
        source: "a",
        target: "b",
        startedAt: 60_000,
        deadline: 360_000
      })
      assert.deepStrictEqual(tagsOf(client), ["Adopted", "Adopted", "MigrationStarted"])
    }))

  it.effect("takes over the oldest attachments first, those of the same time by node: the same on every replica", () =>
    Effect.gen(function*() {
      const found = [
        { times: { c: 0, a: 0, b: 0 }, order: ["a", "b", "c"] },
        { times: { a: 3, c: 2, b: 1 }, order: ["b", "c", "a"] }
      ]
      for (const { order, times } of found) {
        const cluster = clusterOf(volumeId)
        for (const [nodeId, createdAt] of Object.entries(times)) {
          cluster.setAttachment(attachment(nodeId, { createdAt }))
        }
        yield* startController(cluster)
        assert.deepStrictEqual(recordedNodes(cluster), order)
        const { source, target } = recorded(cluster)?.migration ?? assert.fail("no migration")
        assert.deepStrictEqual([source, target], order.slice(0, 2))
      }
    }))

  it.effect("asks once for all attachments, and writes what is missing, for at most sixteen volumes at a time", () =>
    Effect.gen(function*() {
      const volumes = Array.from({ length: 20 }, (_, index) => VolumeId.fromName(`volume ${index}`))
      const cluster = clusterOf(...volumes)
      for (const volumeId of volumes) cluster.setAttachment({ ...attachment("a"), volumeId })
      const client = new ClusterClient(cluster, [])
      const gate = yield* Deferred.make<void>()
      let isListed = false
      let waiting = 0
      client.travel = Effect.suspend(() => {
        if (client.requests > 0 && isListed) waiting += 1
        isListed = client.requests > 0
        return waiting > 0 ? Deferred.await(gate) : Effect.void
      })
      yield* startController(cluster, { client, leads: Stream.concat(Stream.make(false), Stream.never) })
      const atOnce = waiting
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.strictEqual(atOnce, 16)
      assert.strictEqual(client.requests, 1 + volumes.length)
    }))

  it.effect("takes over what is attached beside what is granted, but not what is only asked for or being ended", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      yield* Effect.scoped(
        Effect.flatMap(startController(cluster), ({ fencing }) => orchestrator(cluster, fencing).attach(shared("a")))
      )
      cluster.setAttachment(attachment("b", { attached: false }))
      cluster.setAttachment(attachment("c", { deleting: true }))
      cluster.setAttachment(attachment("d", { createdAt: 5 }))
      yield* startController(cluster)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "d"])
    }))

  it.effect("trap: more than two attachments: the third is not forgotten; nobody else gets the volume, and a warning", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      for (const [createdAt, nodeId] of ["a", "b", "c"].entries()) {
        cluster.setAttachment(attachment(nodeId, { createdAt }))
      }
      const { client, fencing } = yield* startController(cluster)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
      assert.deepStrictEqual(client.published.at(-1), { _tag: "TooManyHolders", volumeId, holders: ["a", "b", "c"] })
      assert.include((yield* Effect.flip(fencing.publish(shared("d")))).message, "more than may share it already")
    }))

  it.effect("keeps both nodes of a single-node volume that is attached twice, and warns", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a", single))
      cluster.setAttachment(attachment("b", { ...single, createdAt: 1 }))
      const { client, fencing } = yield* startController(cluster)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      assert.strictEqual(client.published.at(-1)?._tag, "TooManyHolders")
      for (const nodeId of ["a", "c"]) {
        assert.strictEqual((yield* Effect.flip(fencing.publish(alone(nodeId))))._tag, "AttachmentConflict")
      }
    }))

  it.effect("does not mind attachments of volumes that no record can be kept of", () =>
    Effect.gen(function*() {
      const cluster = clusterOf()
      cluster.setAttachment(attachment("a"))
      const { reconciler } = yield* startController(cluster)
      assert.isTrue(yield* reconciler.isReady)
    }))

  it.effect("of two replicas at once takes each attachment over once", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a", single))
      const clients = [new ClusterClient(cluster, []), new ClusterClient(cluster, [])]
      const starts = clients.map((client) => startController(cluster, { client }))
      const replicas = yield* Effect.all(starts, { concurrency: "unbounded" })
      yield* TestClock.adjust("1 second")
      for (const { reconciler } of replicas) assert.isTrue(yield* reconciler.isReady)
      assert.deepStrictEqual(clients.flatMap(tagsOf), ["Adopted"])
    }))
})

describe("a grant without an attachment", () => {
  it.effect("is dropped after the grace period, and no other: trap: the healthy second holder was dropped as well", () =>
    Effect.gen(function*() {
      const { client, cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      const used = (effect: Effect.Effect<void>) => growthOf(Metrics.attachmentGracePeriodUsedTotal, effect)
      const look = Effect.andThen(reconciler.trigger, TestClock.adjust("1 second"))
      assert.strictEqual(yield* used(look), 1)
      const dropping = Effect.gen(function*() {
        yield* TestClock.adjust("29999 millis")
        assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
        yield* TestClock.adjust("1 millis")
      })
      const cleared = growthOf(
        Metrics.attachmentStaleClearedTotal,
        Effect.map(used(dropping), (count) => assert.strictEqual(count, 0))
      )
      assert.strictEqual(yield* growthOf(actions("clear_stale"), cleared), 1)
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
      assert.deepStrictEqual(client.published.at(-1), { _tag: "StaleCleared", volumeId, nodeId: "a" })
    }))

  it.effect("has a grace period of its own, whichever of two lost its attachment first", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("20 seconds")
      forget(cluster, "b")
      yield* reconciler.trigger
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("is kept while the attachment is there, however long its node is gone", () =>
    Effect.gen(function*() {
      const { cluster } = yield* sharing()
      cluster.removeNode("a")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
    }))

  it.effect("is kept until its node has been missing for the grace period too", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("21 seconds")
      cluster.removeNode("a")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("is kept until its own node has been missing for the grace period", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      forget(cluster, "b")
      yield* reconciler.trigger
      yield* TestClock.adjust("20 seconds")
      cluster.removeNode("a")
      yield* TestClock.adjust("9 seconds")
      cluster.removeNode("b")
      yield* TestClock.adjust("22 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("is kept when it cannot be asked about the node: an error of the cluster releases nobody", () =>
    Effect.gen(function*() {
      const { client, cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("20 seconds")
      // The list of attachments succeeds, the question about the node does not.
      client.faults = Array.from({ length: 20 }, (_, index) => index % 2 === 0 ? undefined : "refused")
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      client.faults = []
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("that gets its attachment back is kept, and has the whole grace period the next time", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("20 seconds")
      cluster.setAttachment(attachment("a"))
      yield* TestClock.adjust("20 seconds")
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("that is confirmed has the whole grace period again", () =>
    Effect.gen(function*() {
      const { cluster, fencing, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("20 seconds")
      yield* fencing.publish(shared("a", 3600))
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("is not dropped when it is confirmed between the look and the drop", () =>
    Effect.gen(function*() {
      const { client, cluster, fencing, reconciler } = yield* sharing()
      forget(cluster, "a")
      yield* reconciler.trigger
      yield* TestClock.adjust("30 seconds")
      // The drop is on its way when the other replica confirms.
      const { fencing: other } = yield* startController(cluster, {
        leads: Stream.concat(Stream.make(false), Stream.never)
      })
      let travels = 0
      client.travel = Effect.suspend(() => {
        travels += 1
        return travels === 5 ? Effect.orDie(other.publish(shared("a", 3600))) : Effect.void
      })
      yield* TestClock.adjust("1 second")
      assert.isAtLeast(travels, 6)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a", "b"])
    }))

  it.effect("of a migration whose nodes are both gone: it has failed", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      const told: Array<string> = []
      cluster.onTold = (_, { result }) => told.push(result)
      forget(cluster, "a")
      forget(cluster, "b")
      yield* reconciler.trigger
      yield* TestClock.adjust("31 seconds")
      yield* settle
      assert.deepStrictEqual(recordedNodes(cluster), [])
      assert.deepStrictEqual(told, ["cancelled"])
    }))
})

describe("a pass", () => {
  it.effect("adopts a node that is attached to a volume of which no watch has told yet, with one write", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, reconciler } = yield* startController(cluster)
      client.isDeaf = true
      cluster.setAttachment(attachment("a"))
      const before = client.requests
      yield* reconciler.trigger
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      assert.strictEqual(client.requests - before, 2)
    }))

  it.effect("takes over an attachment without a grant, and counts it", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      cluster.setAttachment(attachment("c", { createdAt: 1e12 }))
      const adopting = Effect.andThen(reconciler.trigger, TestClock.adjust("1 second"))
      const rebuilt = growthOf(
        actions("rebuild_record"),
        Effect.map(growthOf(actions("adopt"), adopting), (count) => assert.strictEqual(count, 1))
      )
      assert.strictEqual(yield* rebuilt, 0)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
    }))

  it.effect("that has nothing to do asks for the attachments, and writes nothing", () =>
    Effect.gen(function*() {
      const { client, cluster, reconciler } = yield* sharing()
      const [requests, state] = [client.requests, recorded(cluster)]
      yield* reconciler.trigger
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.strictEqual(client.requests - requests, 1)
      assert.strictEqual(recorded(cluster), state)
    }))

  it.effect("comes every five minutes", () =>
    Effect.gen(function*() {
      const { cluster } = yield* sharing()
      cluster.setAttachment(attachment("c", { createdAt: 1e12 }))
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
    }))

  it.effect("comes a second after a node went away, or much may have been missed; causes together lead to one", () =>
    Effect.gen(function*() {
      const { client, cluster } = yield* sharing()
      yield* settle
      const passes = () =>
        Effect.map(
          Metric.value(Metric.withAttributes(Metrics.attachmentOperationDurationSeconds, { operation: "reconcile" })),
          ({ count }) => count
        )
      const before = yield* passes()
      const triggers = growthOf(
        actions("node_watcher_trigger"),
        Effect.gen(function*() {
          for (const nodeId of ["x", "y", "z"]) cluster.removeNode(nodeId)
          yield* TestClock.adjust("999 millis")
          assert.strictEqual((yield* passes()) - before, 0)
          yield* TestClock.adjust("1 millis")
          yield* settle
        })
      )
      assert.strictEqual(yield* triggers, 3)
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.strictEqual((yield* passes()) - before, 1)
      client.loseWatches()
      const relist = Effect.andThen(Effect.sync(() => client.hear()), TestClock.adjust("1 second"))
      assert.strictEqual(yield* growthOf(actions("node_watcher_trigger"), Effect.andThen(relist, settle)), 0)
      assert.strictEqual((yield* passes()) - before, 2)
    }))

  it.effect("that fails changes nothing, is counted, and comes again after ten seconds", () =>
    Effect.gen(function*() {
      const { client, cluster, reconciler } = yield* sharing()
      cluster.setAttachment(attachment("c", { createdAt: 1e12 }))
      client.isPartitioned = true
      const failing = Effect.andThen(reconciler.trigger, TestClock.adjust("1 second"))
      assert.strictEqual(yield* growthOf(actions("failed"), failing), 1)
      client.isPartitioned = false
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
    }))

  it.effect("leaves a volume that somebody works on for later", () =>
    Effect.gen(function*() {
      const { cluster, lock, reconciler } = yield* sharing()
      cluster.setAttachment(attachment("c", { createdAt: 1e12 }))
      yield* lock.withLock(volumeId)(Effect.andThen(reconciler.trigger, TestClock.adjust("1 second")))
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
    }))

  it.effect("does not wait for a volume that somebody works on", () =>
    Effect.gen(function*() {
      const other = VolumeId.fromName("other")
      const cluster = clusterOf(volumeId, other)
      const { lock, reconciler } = yield* startController(cluster)
      cluster.setAttachment(attachment("a"))
      const passes = Effect.gen(function*() {
        yield* reconciler.trigger
        yield* TestClock.adjust("1 second")
        cluster.setAttachment({ ...attachment("b"), volumeId: other })
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(cluster.records.get(other)?._tag, "Recorded")
      })
      yield* lock.withLock(volumeId)(passes)
    }))

  it.effect("is the leader's: others do nothing, and take over when they lead", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const leads = yield* Queue.unbounded<boolean>()
      yield* Queue.offer(leads, false)
      const { client, reconciler } = yield* startController(cluster, { leads: Stream.fromQueue(leads) })
      assert.isTrue(yield* reconciler.isReady)
      cluster.setAttachment(attachment("a"))
      const before = client.requests
      yield* reconciler.trigger
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(client.requests, before)
      yield* Queue.offer(leads, true)
      yield* settle
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      yield* Queue.offer(leads, false)
      cluster.setAttachment(attachment("b"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
    }))
})

describe("what cannot be reconciled", () => {
  it.effect("is in the log, while nothing can be attached, and when that is over", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a", single))
      const client = new ClusterClient(cluster, [])
      client.faults = ["refused", undefined, "refused"]
      const { lines, run } = capturedLogs()
      yield* run(Effect.andThen(startController(cluster, { client }), TestClock.adjust("2 seconds")))
      assert.deepStrictEqual(lines.map(({ level, message }) => [level, message.replace(/[\d.]+ s$/, "… s")]), [
        ["Warn", "no volume can be attached yet: refused"],
        ["Warn", `volume ${volumeId}: its attachments could not be reconciled: refused`],
        ["Info", `volume ${volumeId}: node a was found attached without a grant and counts as a holder from now on`],
        ["Info", "volumes can be attached: who holds which one is known, after … s"]
      ])
    }))

  it.effect("is in the log later as well", () =>
    Effect.gen(function*() {
      const { lines, run } = capturedLogs()
      const { client, reconciler } = yield* run(startController(clusterOf(volumeId)))
      client.isPartitioned = true
      yield* reconciler.trigger
      yield* TestClock.adjust("1 second")
      assert.deepInclude(lines.at(-1), { level: "Warn", message: "attachments could not be reconciled: refused" })
    }))
})

describe("an unreadable record", () => {
  it.effect("is made known once, as soon as it is heard of, and rebuilt after the grace period from all that may hold the volume", () =>
    Effect.gen(function*() {
      const { client, cluster, fencing } = yield* sharing()
      cluster.setAttachment(attachment("c", { attached: false, createdAt: 1e12 }))
      cluster.spoil(volumeId, "Unreadable")
      const rebuilding = Effect.gen(function*() {
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust("29999 millis")
        assert.strictEqual((yield* Effect.flip(fencing.publish(shared("a"))))._tag, "AttachmentUnknown")
        yield* TestClock.adjust("1 millis")
      })
      assert.strictEqual(yield* growthOf(actions("rebuild_record"), rebuilding), 1)
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b", "c"])
      assert.deepStrictEqual(client.published.filter(({ _tag }) => _tag === "RecordUnreadable"), [
        { _tag: "RecordUnreadable", volumeId, reason: "nonsense" }
      ])
    }))

  it.effect("has its own grace period beside another one", () =>
    Effect.gen(function*() {
      const other = VolumeId.fromName("other")
      const cluster = clusterOf(volumeId, other)
      const { client } = yield* startController(cluster)
      cluster.spoil(volumeId, "Unreadable")
      cluster.spoil(other, "Unreadable")
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(tagsOf(client), ["RecordUnreadable", "RecordUnreadable"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual([...cluster.records.values()].map(({ _tag }) => _tag), ["Recorded", "Recorded"])
    }))

  it.effect("that somebody still edits is left alone", () =>
    Effect.gen(function*() {
      const { cluster, reconciler } = yield* sharing()
      cluster.spoil(volumeId, "Unreadable")
      yield* reconciler.trigger
      yield* TestClock.adjust("21 seconds")
      cluster.spoil(volumeId, "Unreadable")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(cluster.records.get(volumeId)?._tag, "Unreadable")
      yield* TestClock.adjust("41 seconds")
      assert.deepStrictEqual(recordedNodes(cluster), ["a", "b"])
    }))

  it.effect("of a volume that nobody uses is rebuilt as well", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing, reconciler } = yield* startController(cluster)
      cluster.spoil(volumeId, "Unreadable")
      yield* reconciler.trigger
      yield* TestClock.adjust("31 seconds")
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
    }))

  it.effect("keeps nothing else from being known at the start", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.spoil(volumeId, "Unreadable")
      const { client, reconciler } = yield* startController(cluster)
      assert.isTrue(yield* reconciler.isReady)
      assert.deepStrictEqual(tagsOf(client), ["RecordUnreadable"])
    }))
})

describe("gauges", () => {
  const states = ["attached", "migrating", "timed_out", "too_many", "unreadable"] as const
  const valueOf = (gauge: Metric.Gauge<number>, state: string) =>
    Effect.map(Metric.value(Metric.withAttributes(gauge, { state })), ({ value }) => value)

  /** Volumes and holders in each state, then running migrations and the seconds left of the first. */
  const shown = Effect.gen(function*() {
    const byState = yield* Effect.forEach(
      states,
      (state) => Effect.all([valueOf(Metrics.attachmentVolumes, state), valueOf(Metrics.attachmentHolders, state)])
    )
    const active = yield* Metric.value(Metrics.migrationActiveMigrations)
    const remaining = yield* Metric.value(Metrics.migrationRemainingSeconds)
    return [...byState, active.value, remaining.value]
  })
  const nothing = [...states.map(() => [0, 0]), 0, 0]

  it.effect("show what is recorded, every 15 seconds; a replica that no longer leads shows nothing", () =>
    Effect.gen(function*() {
      const [one, two, three, four, five, free] = ["1", "2", "3", "4", "5", "6"].map(VolumeId.fromName)
      const cluster = clusterOf(...[one, two, three, four, five, free].flatMap((id) => id ?? []))
      const hold = (volumeId: VolumeId | undefined, nodes: ReadonlyArray<string>, change = {}) => {
        for (const [createdAt, nodeId] of nodes.entries()) {
          cluster.setAttachment({
            ...attachment(nodeId, { createdAt, ...change }),
            volumeId: volumeId ?? assert.fail()
          })
        }
      }
      hold(one, ["a"])
      hold(two, ["a", "b"], { migrationTimeoutSeconds: 100 })
      hold(three, ["a", "b"], { migrationTimeoutSeconds: 30 })
      hold(four, ["a", "b", "c"], { migrationTimeoutSeconds: 200 })
      hold(five, ["a", "b"], single)
      const leads = yield* Queue.unbounded<boolean>()
      yield* Queue.offer(leads, true)
      const { client, fencing } = yield* startController(cluster, { leads: Stream.fromQueue(leads) })
      yield* TestClock.adjust("40 seconds")
      cluster.spoil(free ?? assert.fail(), "Unreadable")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* shown, [[1, 1], [1, 2], [1, 2], [2, 5], [1, 0], 3, 55.001])
      yield* fencing.unpublish(one ?? assert.fail(), Option.none())
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual((yield* shown)[0], [1, 1])
      client.isDeaf = true
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* shown, [[0, 0], [1, 2], [1, 2], [2, 5], [1, 0], 3, 40.001])
      yield* Queue.offer(leads, false)
      yield* settle
      assert.deepStrictEqual(yield* shown, nothing)
    }))

  it.effect("show no time that is left after a deadline that cannot be recorded", () =>
    Effect.gen(function*() {
      const { client } = yield* sharing()
      client.isPartitioned = true
      yield* TestClock.adjust("65 minutes")
      assert.deepStrictEqual(yield* shown, [[0, 0], [1, 2], [0, 0], [0, 0], [0, 0], 1, 0])
    }))

  it.effect("show nothing where nothing is held", () =>
    Effect.gen(function*() {
      yield* startController(clusterOf(volumeId))
      assert.deepStrictEqual(yield* shown, nothing)
    }))
})

describe("1 000 volumes on 50 nodes", () => {
  const volumes = Array.from({ length: 1000 }, (_, index) => VolumeId.fromName(`volume ${index}`))
  const config = { gracePeriod: Duration.millis(1), interval: Duration.minutes(5) }
  const attachments = volumes.map((volumeId, index) => ({ ...attachment(`n${index % 50}`, single), volumeId }))

  it.live.each([
    { before: [], now: attachments, name: "nothing is recorded" },
    { before: attachments, now: attachments, name: "all is recorded" },
    { before: attachments, now: [], name: "all grants are stale" }
  ])(
    "$name: all is in step",
    ({ before, now }) =>
      Effect.gen(function*() {
        const cluster = clusterOf(...volumes)
        for (const attachment of before) cluster.setAttachment(attachment)
        if (before.length > 0) yield* Effect.scoped(startController(cluster, { config }))
        for (const key of Array.from(cluster.attachments.keys())) cluster.removeAttachment(key)
        for (const attachment of now) cluster.setAttachment(attachment)
        const { fencing, reconciler } = yield* startController(cluster, { config })
        const holders = Effect.match(fencing.allHolders, {
          onSuccess: (all) => [...all.values()].flat().length,
          onFailure: ({ _tag }) => _tag
        })
        yield* Effect.repeat(Effect.andThen(Effect.sleep(1), holders), { until: (count) => count === now.length })
        assert.isTrue(yield* reconciler.isReady)
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})
