import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Metric, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Metrics from "../../src/observability/Metrics.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { ClusterClient, type Fault } from "./simulation/ClusterClient.ts"
import { settle, startController } from "./simulation/Controller.ts"
import {
  alone,
  attachment,
  clusterOf,
  growthOf,
  recorded,
  recordedNodes,
  shared,
  volumeId
} from "./simulation/Fixtures.ts"

const none = Option.none<string>()
const tagsOf = ({ published }: ClusterClient) => published.map((fact) => fact._tag)

describe("a grant", () => {
  it.effect("is on record before it is answered, and announced", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
      assert.deepStrictEqual(client.published, [{ _tag: "Attached", volumeId, nodeId: "a" }])
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a"])
    }))

  it.effect("takes one request when nothing is wrong", () =>
    Effect.gen(function*() {
      const { client, fencing } = yield* startController(clusterOf(volumeId))
      const before = client.requests
      yield* fencing.publish(alone("a"))
      yield* settle
      assert.strictEqual(client.requests - before, 1)
    }))

  it.effect("is none when it cannot be recorded", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      client.faults = ["refused"]
      assert.strictEqual((yield* Effect.flip(fencing.publish(alone("a"))))._tag, "StoreUnavailable")
      assert.deepStrictEqual(recordedNodes(cluster), [])
      assert.isEmpty(client.published)
    }))

  it.effect("is confirmed by a write: a drop that was decided before must lose", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      const before = cluster.records.get(volumeId)
      yield* fencing.publish(alone("a"))
      assert.notStrictEqual(cluster.records.get(volumeId)?.version, before?.version)
    }))

  it.effect("is refused beside another one: both are named, nothing is written, an event says so", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      const before = recorded(cluster)
      const conflicts = Metric.withAttributes(Metrics.attachmentConflictsTotal, { reason: "held" })
      const refuse = Effect.gen(function*() {
        const error = yield* Effect.flip(fencing.publish(alone("b")))
        assert.strictEqual(error._tag, "AttachmentConflict")
        assert.include(error.message, "is attached to node a and cannot be attached to node b")
      })
      assert.strictEqual(yield* growthOf(conflicts, refuse), 1)
      assert.strictEqual(recorded(cluster), before)
      assert.deepStrictEqual(tagsOf(client), ["Attached", "Conflict"])
    }))
})

describe("a lost answer", () => {
  it.effect.each(["lost", "answer lost", "late"] satisfies ReadonlyArray<Fault>)(
    "to a grant (%s) is no answer: the record is read again, and the grant is told once",
    (fault) =>
      Effect.gen(function*() {
        const cluster = clusterOf(volumeId)
        const { client, fencing } = yield* startController(cluster)
        client.faults = [fault]
        yield* fencing.publish(alone("a"))
        assert.deepStrictEqual(recordedNodes(cluster), ["a"])
        assert.deepStrictEqual(tagsOf(client), ["Attached"])
      })
  )

  it.effect.each(["lost", "answer lost", "late"] satisfies ReadonlyArray<Fault>)(
    "to a release (%s) is no answer: the record is read again, and the release is told once",
    (fault) =>
      Effect.gen(function*() {
        const cluster = clusterOf(volumeId)
        const { client, fencing } = yield* startController(cluster)
        yield* fencing.publish(alone("a"))
        client.faults = [fault]
        yield* fencing.unpublish(volumeId, Option.some("a"))
        assert.deepStrictEqual(recordedNodes(cluster), [])
        assert.deepStrictEqual(tagsOf(client), ["Attached", "Detached"])
      })
  )

  it.effect("and a record that cannot be read again are an error, and the same call succeeds later", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      client.faults = ["answer lost", "refused"]
      assert.strictEqual((yield* Effect.flip(fencing.publish(alone("a"))))._tag, "StoreUnavailable")
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
    }))

  it.effect("while the watches are behind is no reason to announce nothing", () =>
    Effect.gen(function*() {
      const { client, fencing } = yield* startController(clusterOf(volumeId))
      client.isDeaf = true
      client.faults = ["answer lost"]
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(tagsOf(client), ["Attached"])
    }))

  it.effect("to a write that is carried out after a newer one changes nothing", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const late: Array<() => void> = []
      const { client, fencing } = yield* startController(cluster, { client: new ClusterClient(cluster, late) })
      yield* fencing.publish(alone("a"))
      client.faults = ["late"]
      yield* fencing.unpublish(volumeId, none)
      yield* fencing.publish(alone("b"))
      late.forEach((carryOut) => carryOut())
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))
})

describe("two replicas", () => {
  it.effect("decide by what is so now, not by what they heard of last", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing: one } = yield* startController(cluster)
      const { client, fencing: other } = yield* startController(cluster)
      client.isDeaf = true
      yield* one.publish(alone("a"))
      assert.strictEqual((yield* Effect.flip(other.publish(alone("b"))))._tag, "AttachmentConflict")
      yield* one.unpublish(volumeId, Option.some("a"))
      yield* other.publish(alone("b"))
      yield* other.unpublish(volumeId, Option.some("b"))
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }).pipe(Effect.timeout("1 second")))

  it.effect("trap: check, then track, with an await between: one of two publishes wins", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const replicas = [yield* startController(cluster), yield* startController(cluster)]
      const conflicts = yield* growthOf(
        Metrics.attachmentStoreConflictsTotal,
        Effect.gen(function*() {
          const tries = replicas.map(({ fencing }, index) => Effect.exit(fencing.publish(alone(`n${index}`))))
          const exits = yield* Effect.all(tries, { concurrency: "unbounded" })
          const winners = exits.flatMap((exit, index) => exit._tag === "Success" ? [`n${index}`] : [])
          assert.lengthOf(winners, 1)
          assert.deepStrictEqual(recordedNodes(cluster), winners)
        })
      )
      assert.strictEqual(conflicts, 1)
    }))

  it.effect("and a record that cannot be read after another one wrote it are an error at once", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing: one } = yield* startController(cluster)
      const { client, fencing: other } = yield* startController(cluster)
      client.isDeaf = true
      yield* one.publish(alone("a"))
      client.faults = [undefined, "refused"]
      assert.strictEqual((yield* Effect.flip(other.publish(alone("b"))))._tag, "StoreUnavailable")
    }))

  it.effect("that write all the time: five tries, then the caller is to try again", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      client.isDeaf = true
      client.travel = Effect.sync(() => {
        const record = cluster.records.get(volumeId)
        if (record?._tag === "Recorded") {
          cluster.write(volumeId, record.version, { ...record.state, revision: record.state.revision + 1 })
        }
      })
      const conflicts = yield* growthOf(
        Metrics.attachmentStoreConflictsTotal,
        Effect.gen(function*() {
          const error = yield* Effect.flip(fencing.publish(alone("a")))
          assert.strictEqual(error._tag, "AttachmentUnknown")
          assert.strictEqual(
            error.message,
            `the attachments of volume ${volumeId} could not be recorded for certain: another replica of the controller changes ` +
              "them too, or answers are being lost; try again"
          )
        })
      )
      assert.strictEqual(conflicts, 6)
    }))
})

describe("a release", () => {
  it.effect("of one node or of all", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(shared("a"))
      yield* fencing.publish(shared("b"))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
      yield* fencing.publish(shared("c"))
      yield* fencing.unpublish(volumeId, none)
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }))

  it.effect("trap: NOT_FOUND from ControllerUnpublish wedges the VolumeAttachment: nothing to release is success", () =>
    Effect.gen(function*() {
      const { client, fencing } = yield* startController(clusterOf(volumeId))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      yield* fencing.unpublish(VolumeId.fromName("unknown"), none)
      assert.isEmpty(client.published)
    }))

  it.effect("that cannot be recorded is an error, never swallowed", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      client.faults = ["refused"]
      assert.strictEqual(
        (yield* Effect.flip(fencing.unpublish(volumeId, Option.some("a"))))._tag,
        "StoreUnavailable"
      )
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
    }))

  it.effect("does not wait until the controller is ready", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      yield* Effect.scoped(
        Effect.flatMap(startController(cluster), ({ fencing }) => fencing.publish(alone("a")))
      )
      const client = new ClusterClient(cluster, [])
      client.faults = ["refused"]
      const { fencing, reconciler } = yield* startController(cluster, { client })
      assert.isFalse(yield* reconciler.isReady)
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }))
})

describe("a volume without a readable record", () => {
  it.effect("that no record can be kept of is granted to nobody, and nobody holds it", () =>
    Effect.gen(function*() {
      const { fencing } = yield* startController(clusterOf())
      const error = yield* Effect.flip(fencing.publish(alone("a")))
      assert.strictEqual(error._tag, "AttachmentUnrecordable")
      assert.strictEqual(
        error.message,
        `volume ${volumeId} cannot be attached to node a: no PersistentVolume has this volume handle, so there is nowhere to ` +
          "record the attachment; create the PersistentVolume first"
      )
      assert.deepStrictEqual(yield* fencing.holders(volumeId), [])
    }))

  it.effect("that appeared a moment ago is found", () =>
    Effect.gen(function*() {
      const cluster = clusterOf()
      const { client, fencing } = yield* startController(cluster)
      client.isDeaf = true
      cluster.addVolume(volumeId)
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["a"])
    }))

  it.effect("that nobody recorded belongs to those that are attached, also while they are being detached", () =>
    Effect.gen(function*() {
      for (const deleting of [false, true]) {
        const cluster = clusterOf(volumeId)
        const { fencing } = yield* startController(cluster)
        cluster.setAttachment(attachment("a", { accessMode: "SINGLE_NODE_WRITER", deleting }))
        const error = yield* Effect.flip(fencing.publish(alone("b")))
        assert.include(error.message, "is attached to node a")
        assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a"])
        yield* fencing.publish(alone("a"))
        assert.deepInclude(recorded(cluster)?.holders[0], { nodeId: "a", adopted: false })
      }
    }))

  it.effect("that nobody recorded is not kept from a node by others that only ask as well", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      for (const nodeId of ["a", "b", "c"]) cluster.setAttachment(attachment(nodeId, { attached: false }))
      // One of them may have it.
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a", "b", "c"])
      yield* fencing.publish(shared("c"))
      assert.deepStrictEqual(recordedNodes(cluster), ["c"])
    }))

  it.effect("that nobody recorded keeps, when one node is released, the others that may have it", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { client, fencing } = yield* startController(cluster)
      cluster.setAttachment(attachment("a", { deleting: true }))
      cluster.setAttachment(attachment("b", { attached: false, createdAt: 1 }))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
      // A migration that nobody recorded neither begins nor ends.
      assert.deepStrictEqual(tagsOf(client), ["Adopted", "Adopted", "Detached"])
      assert.deepInclude(recorded(cluster), { migration: null, migrations: 0, untold: [] })
    }))

  it.effect("that was edited into nonsense is granted to nobody, not even to a holder again", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      yield* fencing.publish(alone("a"))
      cluster.setAttachment(attachment("a"))
      cluster.spoil(volumeId, "Unreadable")
      for (const nodeId of ["a", "b"]) {
        const error = yield* Effect.flip(fencing.publish(alone(nodeId)))
        assert.strictEqual(error._tag, "AttachmentUnknown")
        assert.strictEqual(
          error.message,
          `volume ${volumeId} cannot be attached to node ${nodeId} now: the record of its attachments is unreadable, as after ` +
            "an edit by hand; it is rebuilt from the attachments of the cluster, then try again"
        )
      }
      assert.strictEqual(cluster.records.get(volumeId)?._tag, "Unreadable")
    }))

  it.effect("that was edited into nonsense belongs to all that may have it, and a release makes it readable", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      cluster.setAttachment(attachment("a", { deleting: true }))
      cluster.setAttachment(attachment("b", { attached: false, createdAt: 1 }))
      cluster.spoil(volumeId, "Unreadable")
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a", "b"])
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, ["a", "b"]]]))
      yield* fencing.unpublish(volumeId, Option.some("a"))
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))
})

describe("calls for one volume take turns", () => {
  /** A controller whose requests do not arrive until the gate opens. */
  const slow = Effect.fnUntraced(function*() {
    const cluster = clusterOf(volumeId)
    const controller = yield* startController(cluster)
    yield* controller.fencing.publish(alone("a"))
    const gate = yield* Deferred.make<void>()
    controller.client.travel = Deferred.await(gate)
    return { ...controller, cluster, gate }
  })

  it.effect("a publish waits for the holder's release that is under way", () =>
    Effect.gen(function*() {
      const { cluster, fencing, gate } = yield* slow()
      const release = yield* Effect.forkChild(fencing.unpublish(volumeId, Option.some("a")))
      yield* settle
      const grant = yield* Effect.forkChild(fencing.publish(alone("b")))
      yield* TestClock.adjust("7999 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(release)
      yield* Fiber.join(grant)
      assert.deepStrictEqual(recordedNodes(cluster), ["b"])
    }))

  it.effect("for eight seconds, then the caller is to try again", () =>
    Effect.gen(function*() {
      const { fencing, gate } = yield* slow()
      yield* Effect.forkChild(fencing.unpublish(volumeId, Option.some("a")))
      yield* settle
      const grant = yield* Effect.forkChild(Effect.flip(fencing.publish(alone("b"))))
      yield* TestClock.adjust("7999 millis")
      assert.isUndefined(grant.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(grant)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(error._tag, "VolumeBusy")
      assert.strictEqual(
        error.message,
        `other operations on ${volumeId} have been running for 8s; try again when they have ended`
      )
    }))

  it.effect("one that has its turn may take longer", () =>
    Effect.gen(function*() {
      const { cluster, fencing, gate } = yield* slow()
      const release = yield* Effect.forkChild(fencing.unpublish(volumeId, Option.some("a")))
      yield* TestClock.adjust("1 minute")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(release)
      assert.deepStrictEqual(recordedNodes(cluster), [])
    }))

  it.effect("without one under way a second node is refused at once", () =>
    Effect.gen(function*() {
      const { fencing } = yield* startController(clusterOf(volumeId))
      yield* fencing.publish(alone("a"))
      const grant = yield* Effect.forkChild(Effect.flip(fencing.publish(alone("b"))))
      yield* settle
      assert.isDefined(grant.pollUnsafe())
    }))

  it.effect("trap: a cancelled call: what has been sent is seen through, and announced", () =>
    Effect.gen(function*() {
      const { client, cluster, fencing, gate } = yield* slow()
      const release = yield* Effect.forkChild(fencing.unpublish(volumeId, Option.some("a")))
      yield* settle
      const cancelled = yield* Effect.forkChild(Fiber.interrupt(release))
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(cancelled)
      assert.deepStrictEqual(recordedNodes(cluster), [])
      assert.deepStrictEqual(tagsOf(client), ["Attached", "Detached"])
    }))

  it.effect("and with those of others that hold the volume's lock", () =>
    Effect.gen(function*() {
      const { fencing, lock } = yield* startController(clusterOf(volumeId))
      const gate = yield* Deferred.make<void>()
      yield* Effect.forkChild(lock.withLock(volumeId)(Deferred.await(gate)))
      yield* settle
      const grant = yield* Effect.forkChild(fencing.publish(alone("a")))
      yield* settle
      assert.isUndefined(grant.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(grant)
    }))
})

describe("what is shown", () => {
  it.effect("the holders of all volumes, in the order in which they got them", () =>
    Effect.gen(function*() {
      const { fencing } = yield* startController(clusterOf(volumeId))
      assert.deepStrictEqual(yield* fencing.allHolders, new Map())
      yield* fencing.publish(shared("b"))
      yield* fencing.publish(shared("a"))
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, ["b", "a"]]]))
    }))

  it.effect("trap: a partial list makes the attacher attach everything again: there is none before all is known", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      cluster.setAttachment(attachment("a"))
      const client = new ClusterClient(cluster, [])
      client.faults = ["refused"]
      const { fencing } = yield* startController(cluster, { client })
      assert.deepInclude(yield* Effect.flip(fencing.allHolders), {
        _tag: "AttachmentUnknown",
        message:
          "volumes cannot be listed yet: the controller has just started and does not know who holds them; try again"
      })
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, ["a"]]]))
    }))

  it.effect("a node that is attached without a grant counts in the list of all, and one that only asks does not", () =>
    Effect.gen(function*() {
      const cluster = clusterOf(volumeId)
      const { fencing } = yield* startController(cluster)
      cluster.setAttachment(attachment("b", { attached: false }))
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, []]]))
      cluster.setAttachment(attachment("a"))
      assert.deepStrictEqual(yield* fencing.allHolders, new Map([[volumeId, ["a"]]]))
      assert.isUndefined(recorded(cluster))
    }))

  it.effect("the holders of a volume as they are now, though the watches are behind", () =>
    Effect.gen(function*() {
      const { client, fencing } = yield* startController(clusterOf(volumeId))
      client.isDeaf = true
      yield* fencing.publish(alone("a"))
      assert.deepStrictEqual(yield* fencing.holders(volumeId), ["a"])
    }))

  it.effect("calls by their outcome, and the time that each operation takes", () =>
    Effect.gen(function*() {
      const { client, fencing } = yield* startController(clusterOf(volumeId))
      const timed = (operation: string) =>
        Effect.map(
          Metric.value(Metric.withAttributes(Metrics.attachmentOperationDurationSeconds, { operation })),
          ({ count, sum }) => ({ count, sum })
        )
      const steps = [
        ["attach", fencing.publish(shared("a"))],
        ["attach_secondary", fencing.publish(shared("b"))],
        ["detach_partial", fencing.unpublish(volumeId, Option.some("a"))],
        ["detach", fencing.unpublish(volumeId, Option.some("b"))],
        ["detach", fencing.unpublish(volumeId, Option.some("b"))]
      ] as const
      client.travel = Effect.sleep(Duration.seconds(1))
      for (const [operation, step] of steps) {
        const before = yield* timed(operation)
        const call = yield* Effect.forkChild(step)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(call)
        assert.deepStrictEqual(yield* timed(operation), { count: before.count + 1, sum: before.sum + 2 }, operation)
        yield* TestClock.adjust("1 minute")
      }
      client.travel = Effect.void
      client.isPartitioned = true
      const outcomes = (total: Metric.Counter<number>, status: string) => Metric.withAttributes(total, { status })
      const failed = outcomes(Metrics.attachmentAttachTotal, "failure")
      assert.strictEqual(yield* growthOf(failed, Effect.exit(fencing.publish(alone("a")))), 1)
      client.isPartitioned = false
      const attached = outcomes(Metrics.attachmentAttachTotal, "success")
      const detached = outcomes(Metrics.attachmentDetachTotal, "success")
      assert.strictEqual(yield* growthOf(attached, fencing.publish(alone("a"))), 1)
      assert.strictEqual(yield* growthOf(detached, fencing.unpublish(volumeId, none)), 1)
    }))
})
