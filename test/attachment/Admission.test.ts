import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { emptyState } from "../../src/attachment/AttachmentState.ts"
import { HostAccess } from "../../src/attachment/HostAccess.ts"
import { Nqn } from "../../src/volume/Nqn.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { ClusterClient } from "./simulation/ClusterClient.ts"
import { settle, startController } from "./simulation/Controller.ts"
import {
  alone,
  attachment,
  clusterOf,
  enforcedClusterOf,
  orchestrator,
  recordedNodes,
  shared,
  volumeId
} from "./simulation/Fixtures.ts"
import type { SimulatedCluster } from "./simulation/SimulatedCluster.ts"

const hosts = (...nodes: ReadonlyArray<string>) => nodes.map(Nqn.host)
const letIn = ({ limits }: SimulatedCluster) => limits.get(volumeId)

/** Each limit that the appliance is given, with the nodes that are recorded as holders at that moment. */
const watched = (cluster: SimulatedCluster) => {
  const seen: Array<{ readonly limit: ReadonlyArray<string>; readonly recorded: ReadonlyArray<string> }> = []
  const limit = cluster.limit.bind(cluster)
  cluster.limit = (id, nodes, whenOpen) => {
    seen.push({ limit: nodes, recorded: recordedNodes(cluster) })
    limit(id, nodes, whenOpen)
  }
  return seen
}

describe("who may connect at the appliance", () => {
  it.effect("is not enforced unless that is asked for", () =>
    Effect.map(HostAccess, ({ enforced }) => assert.isFalse(enforced)).pipe(Effect.provide(HostAccess.layerOpen)))

  it.effect("is everybody unless that is asked for, and takes no request", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      const before = client.requests
      yield* fencing.publish(alone("a"))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.strictEqual(client.requests - before, 2)
      assert.isUndefined(letIn(cluster))
    }))

  it.effect("is a holder once that is on record, and nobody before its release is", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      const seen = watched(cluster)
      yield* fencing.publish(alone("a"))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(seen, [{ limit: ["a"], recorded: ["a"] }, { limit: [], recorded: ["a"] }])
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }))

  it.effect("are both sides of a migration, then the one that stays", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(shared("a"))
      yield* fencing.publish(shared("b"))
      assert.deepStrictEqual(letIn(cluster), hosts("a", "b"))
      yield* Effect.flip(fencing.publish(shared("c")))
      assert.deepStrictEqual(letIn(cluster), hosts("a", "b"))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(letIn(cluster), hosts("b"))
    }))

  it.effect("is not changed when a deadline passes", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      const { attach } = orchestrator(cluster, fencing)
      yield* attach(shared("a", 30))
      yield* attach(shared("b", 30))
      const seen = watched(cluster)
      yield* TestClock.adjust("31 seconds")
      yield* settle
      assert.isEmpty(seen)
    }))

  it.effect("an attach that the appliance does not hear of fails, and the retry finishes it", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      client.faults = [undefined, "refused"]
      assert.strictEqual((yield* Effect.flip(fencing.publish(alone("a"))))._tag, "HostAccessFailed")
      assert.deepStrictEqual([recordedNodes(cluster), letIn(cluster)], [["a"], []])
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(letIn(cluster), hosts("a"))
    }))

  it.effect("trap: a detach that the appliance does not hear of fails, and the node still holds the volume", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      client.faults = ["refused"]
      const error = yield* Effect.flip(fencing.unpublish(volumeId, Option.some("a")))
      assert.strictEqual(error._tag, "HostAccessFailed")
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      assert.strictEqual((yield* Effect.flip(fencing.publish(alone("b"))))._tag, "AttachmentConflict")
    }))

  it.effect("a volume that was open and in use stays open until it is free", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      cluster.limits.clear()
      cluster.setAttachment(attachment("a"))
      const { fencing } = yield* startController(cluster)
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      yield* fencing.publish(shared("a"))
      yield* fencing.publish(shared("b"))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.isUndefined(letIn(cluster))
      yield* fencing.unpublish(volumeId, Option.some("b"))
      assert.deepStrictEqual(letIn(cluster), [])
    }))

  it.effect("an open volume that was never used is limited by the first attach", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      cluster.limits.clear()
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(letIn(cluster), hosts("a"))
    }))

  it.effect("a node that is found attached is let in as well", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      cluster.setAttachment(attachment("a"))
      yield* startController(cluster)
      assert.deepStrictEqual(letIn(cluster), hosts("a"))
    }))

  it.effect("a holder that is dropped is shut out before", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      const seen = watched(cluster)
      yield* TestClock.adjust("10 minutes")
      yield* settle
      assert.deepStrictEqual(seen, [{ limit: [], recorded: ["a"] }])
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }))

  it.effect("a holder that is dropped as another is found is shut out before, the other one let in after", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(shared("a"))
      const seen = watched(cluster)
      yield* TestClock.adjust("310 seconds")
      cluster.setAttachment(attachment("b"))
      yield* TestClock.adjust("60 seconds")
      yield* settle
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
      assert.deepStrictEqual(seen, [{ limit: [], recorded: ["a"] }, { limit: ["b"], recorded: ["b"] }])
    }))

  it.effect("is put right by the next pass, as after a crash between record and appliance", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* orchestrator(cluster, fencing).attach(alone("a"))
      cluster.limit(volumeId, ["x"], "limit")
      yield* TestClock.adjust("6 minutes")
      yield* settle
      assert.deepStrictEqual(letIn(cluster), hosts("a"))
    }))

  it.effect("is put right by the next pass also when an open volume is free", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      yield* fencing.unpublish(volumeId, Option.none())
      cluster.limits.clear()
      yield* TestClock.adjust("6 minutes")
      yield* settle
      assert.deepStrictEqual(letIn(cluster), [])
    }))

  it.effect("is left alone by a pass that finds it right", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* orchestrator(cluster, fencing).attach(alone("a"))
      const seen = watched(cluster)
      yield* TestClock.adjust("11 minutes")
      yield* settle
      assert.isEmpty(seen)
    }))

  it.effect("a pass that cannot compare or set it says so, and tries again", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { lines, run } = capturedLogs()
      yield* Effect.gen(function*() {
        const { client, fencing } = yield* startController(cluster)
        yield* orchestrator(cluster, fencing).attach(alone("a"))
        cluster.limit(volumeId, ["x"], "limit")
        const failed = (faults: ClusterClient["faults"]) =>
          Effect.gen(function*() {
            // A pass asks for the attachments first.
            client.faults = [undefined, ...faults]
            yield* TestClock.adjust("5 minutes")
            yield* settle
            assert.deepStrictEqual(letIn(cluster), hosts("x"))
          })
        yield* failed(["refused"])
        yield* failed([undefined, undefined, "refused"])
        yield* TestClock.adjust("5 minutes")
        yield* settle
        assert.deepStrictEqual(letIn(cluster), hosts("a"))
      }).pipe(run)
      const warnings = lines.filter(({ level }) => level === "Warn").map(({ message }) => String(message))
      assert.deepStrictEqual(warnings, [
        "who may connect to volumes could not be compared: refused",
        `volume ${volumeId}: who may connect to it could not be set: refused`
      ])
    }))

  it.effect.each<[whatever: string, millis: number, after: string]>([
    ["waits for what is being done with the volume in the same moment", 1_500, "a"],
    ["is left to the next pass when that takes longer", 2_500, "x"]
  ])("%s", ([_, millis, after]) =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing, lock } = yield* startController(cluster)
      yield* orchestrator(cluster, fencing).attach(alone("a"))
      cluster.limit(volumeId, ["x"], "limit")
      yield* TestClock.adjust("299 seconds")
      const hold = lock.withLock(volumeId)(Effect.sleep(millis))
      yield* Effect.forkChild(hold, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual(letIn(cluster), hosts(after))
      yield* TestClock.adjust("5 minutes")
      yield* settle
      assert.deepStrictEqual(letIn(cluster), hosts("a"))
    }))

  it.effect("nobody is shut out because a record is unreadable", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* orchestrator(cluster, fencing).attach(alone("a"))
      const seen = watched(cluster)
      client.isDeaf = true
      cluster.spoil(volumeId, "Unreadable")
      cluster.limit(volumeId, ["a", "x"], "limit")
      yield* TestClock.adjust("6 minutes")
      yield* settle
      assert.deepStrictEqual(seen.map(({ limit }) => limit), [["a", "x"]])
    }))

  it.effect("follows what another replica has recorded meanwhile", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(shared("a"))
      const { version } = Option.getOrThrow(Option.fromUndefinedOr(cluster.records.get(volumeId)))
      const limit = cluster.limit.bind(cluster)
      cluster.limit = (id, nodes, whenOpen) => {
        limit(id, nodes, whenOpen)
        const record = cluster.records.get(volumeId)
        if (nodes.length < 2 || record?._tag !== "Recorded" || record.version === version) return
        const { holders, revision } = record.state
        const left = holders.filter(({ nodeId }) => nodeId === "b")
        cluster.write(volumeId, record.version, { ...emptyState, revision: revision + 1, holders: left })
      }
      yield* fencing.publish(shared("b"))
      assert.deepStrictEqual(letIn(cluster), hosts("b"))
    }))

  it.effect("a release that lost to another writer lets in who holds the volume now", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing: first } = yield* startController(cluster)
      const deaf = new ClusterClient(cluster, [])
      const { fencing: second } = yield* startController(cluster, { client: deaf })
      yield* first.publish(shared("a"))
      deaf.isDeaf = true
      yield* first.publish(shared("b"))
      const seen = watched(cluster)
      yield* second.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(seen.map(({ limit }) => limit), [[], ["a", "b"], ["b"]])
      assert.deepStrictEqual(letIn(cluster), hosts("b"))
    }))

  it.effect("gives up when the holders keep changing, and says so", () =>
    Effect.gen(function*() {
      const cluster = enforcedClusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      const limit = cluster.limit.bind(cluster)
      let turn = 0
      cluster.limit = (id, nodes, whenOpen) => {
        limit(id, nodes, whenOpen)
        turn += 1
        const record = cluster.records.get(volumeId)
        if (record?._tag !== "Recorded") return
        const holders = record.state.holders.map((holder) => ({ ...holder, nodeId: `n${turn}` }))
        cluster.write(volumeId, record.version, { ...emptyState, revision: record.state.revision + 1, holders })
      }
      const error = yield* Effect.flip(fencing.publish(alone("a")))
      assert.strictEqual(error._tag, "AttachmentUnknown")
      assert.match(error.message, /^who may connect to volume .* could not be set for certain: .* changing; try again$/)
      assert.strictEqual(turn, 5)
    }))
})
