import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import type { AttachmentRecord } from "../../src/attachment/AttachmentStore.ts"
import { KubeUnavailable } from "../../src/kubernetes/Errors.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import type { SeenRequest } from "../support/kubernetes/Faults.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { makeObjectStore, text } from "../support/kubernetes/ObjectStore.ts"
import { startReplica } from "../support/kubernetes/Replica.ts"
import { stateOf } from "../support/kubernetes/States.ts"
import { storeApi } from "../support/kubernetes/StoreApi.ts"
import { until } from "../support/Until.ts"

const v1 = VolumeId.fromName("v1")
const v2 = VolumeId.fromName("v2")
const v3 = VolumeId.fromName("v3")
const attachments = "rds.csi.srvlab.io/attachments"

const start = Effect.fnUntraced(function*(...args: Parameters<typeof startCluster>) {
  const cluster = yield* startCluster(...args)
  const replica = yield* startReplica(cluster.api)
  return { ...cluster, ...replica, peer: startReplica(cluster.api) }
})

const isPatch = ({ verb }: SeenRequest) => verb === "patch"
const existing = (found: Option.Option<AttachmentRecord>) => Option.getOrThrow(found)

describe("KubernetesAttachmentStore: the record", () => {
  it.live("finds the PersistentVolume by its handle, whatever its name, also before the watch tells of it", () =>
    Effect.gen(function*() {
      const { addVolume, store, synced, watchers } = yield* start()
      yield* synced
      watchers.holdBack(true)
      addVolume("foreign", { name: v1, driver: "other.example" })
      addVolume(v1, { name: "by-hand" })
      assert.strictEqual(existing(yield* store.peek(v1))._tag, "Unrecorded")
      assert.strictEqual(existing(yield* store.read(v1)).version, "by-hand@3")
      assert.isTrue(Option.isNone(yield* store.peek(v2)))
      assert.isTrue(Option.isNone(yield* store.read(v2)))
    }))

  it.live("a peek costs no request once the volume is known, a read costs one, a write one", () =>
    Effect.gen(function*() {
      const { addVolume, requests, store, synced } = yield* start()
      addVolume(v1)
      yield* synced
      const before = requests.length
      const { version } = existing(yield* store.peek(v1))
      assert.strictEqual(requests.length, before)
      const next = yield* store.write(v1, version, stateOf(1, "a"))
      assert.deepStrictEqual(existing(yield* store.peek(v1)), {
        _tag: "Recorded",
        version: next,
        state: stateOf(1, "a")
      })
      yield* store.read(v1)
      const asked = requests.slice(before).map(({ verb }) => verb).filter((verb) => verb !== "watch")
      assert.deepStrictEqual(asked, ["patch", "get"])
    }))

  it.live("volumes without PersistentVolume, looked for at once, cost few lists; none is older than its question", () =>
    Effect.gen(function*() {
      const { addVolume, requests, store, synced, watchers } = yield* start()
      yield* synced
      watchers.holdBack(true)
      const lists = () =>
        requests.filter(({ plural, verb }) => verb === "list" && plural === "persistentvolumes").length
      const before = lists()
      const gone = Array.from({ length: 50 }, (_, i) => VolumeId.fromName(`gone-${i}`))
      const searches = yield* Effect.forEach(gone, (id) => store.read(id), { concurrency: "unbounded" }).pipe(
        Effect.forkScoped
      )
      yield* until(Effect.sync(() => lists() > before))
      addVolume(v1, { name: "by-hand" })
      assert.isTrue(Option.isSome(yield* store.read(v1)))
      assert.isTrue((yield* Fiber.join(searches)).every(Option.isNone))
      assert.isAtMost(lists() - before, 20)
    }))

  it.live("a replica whose watch is behind cannot write what rests on the past", () =>
    Effect.gen(function*() {
      const { addVolume, peer, store, synced, watchers } = yield* start()
      addVolume(v1)
      yield* synced
      const other = yield* peer
      yield* other.synced
      watchers.holdBack(true)
      const { version } = existing(yield* store.peek(v1))
      yield* store.write(v1, version, stateOf(1, "a"))
      const behind = existing(yield* other.store.peek(v1))
      assert.strictEqual(behind._tag, "Unrecorded")
      assert.strictEqual(
        (yield* Effect.flip(other.store.write(v1, behind.version, stateOf(1, "b"))))._tag,
        "StoreConflict"
      )
      assert.deepInclude(existing(yield* other.store.read(v1)), { _tag: "Recorded", state: stateOf(1, "a") })
    }))

  it.live("the Go driver's annotations are kept up for people, and go when nobody holds the volume", () =>
    Effect.gen(function*() {
      const { addVolume, annotationsOf, store } = yield* start()
      addVolume(v1, { annotations: { "rds.csi.srvlab.io/attached-node": "old", mine: "stays" } })
      const first = yield* store.write(v1, existing(yield* store.read(v1)).version, stateOf(1, "a", "b"))
      const { [attachments]: _, ...others } = annotationsOf(v1)
      assert.match(text(annotationsOf(v1), attachments), /^\{"version":1,"revision":1,/)
      assert.deepStrictEqual(others, {
        mine: "stays",
        "rds.csi.srvlab.io/attached-node": "a",
        "rds.csi.srvlab.io/attached-at": "2025-01-02T03:04:05.678000Z"
      })
      yield* store.write(v1, first, stateOf(2))
      assert.deepStrictEqual(Object.keys(annotationsOf(v1)).toSorted(), ["mine", attachments])
    }))

  const nonsense = ["", "null", "{}", "[]", "nonsense", "{\"version\":2}", "{\"version\":1,\"holders\":[]}"]
  for (const text of nonsense) {
    it.live(`an annotation edited by hand into ${JSON.stringify(text)} never counts as empty`, () =>
      Effect.gen(function*() {
        const { addVolume, annotate, store, synced } = yield* start()
        addVolume(v1, { annotations: { [attachments]: text } })
        yield* synced
        assert.strictEqual(existing(yield* store.read(v1))._tag, "Unreadable")
        assert.strictEqual(existing(yield* store.peek(v1))._tag, "Unreadable")
        assert.deepStrictEqual((yield* store.list).map(({ record }) => record._tag), ["Unreadable"])
        annotate(v1, { [attachments]: null })
        assert.strictEqual(existing(yield* store.read(v1))._tag, "Unrecorded")
      }))
  }

  it.live("a lost answer is an unknown outcome; reading tells which", () =>
    Effect.gen(function*() {
      for (const [fault, done] of [["CutBefore", false], ["CutAfter", true]] as const) {
        const { addVolume, faults, store } = yield* start()
        addVolume(v1)
        const before = existing(yield* store.read(v1))
        faults.add({ fault: { _tag: fault }, match: isPatch, times: 1 })
        const error = yield* Effect.flip(store.write(v1, before.version, stateOf(1, "a")))
        assert.strictEqual(error._tag, "StoreOutcomeUnknown")
        assert.strictEqual(existing(yield* store.read(v1))._tag, done ? "Recorded" : "Unrecorded")
      }
    }))

  it.live("a refusal is an error, and nothing is written", () =>
    Effect.gen(function*() {
      for (const code of [403, 422, 429]) {
        const { addVolume, faults, store } = yield* start()
        addVolume(v1)
        const before = existing(yield* store.read(v1))
        faults.add({ fault: { _tag: "Error", code, message: "no" }, match: isPatch })
        const error = yield* Effect.flip(store.write(v1, before.version, stateOf(1, "a")))
        assert.strictEqual(error._tag, "StoreUnavailable")
        assert.deepStrictEqual(yield* store.read(v1), Option.some(before))
      }
    }))

  it.live("a PersistentVolume that was deleted meanwhile is a conflict, then no record", () =>
    Effect.gen(function*() {
      const { addVolume, removeVolume, store, synced } = yield* start()
      addVolume(v1)
      yield* synced
      const { version } = existing(yield* store.peek(v1))
      removeVolume(v1)
      assert.strictEqual((yield* Effect.flip(store.write(v1, version, stateOf(1, "a"))))._tag, "StoreConflict")
      assert.isTrue(Option.isNone(yield* store.read(v1)))
    }))

  it.live("lists every record of this driver, unreadable ones included, and what is attached without one", () =>
    Effect.gen(function*() {
      const { addVolume, attach, store } = yield* start()
      addVolume(v1)
      addVolume(v2, { annotations: { [attachments]: "?" } })
      addVolume("unused")
      addVolume(v3, { name: "by-hand" })
      attach(v3, "a", { volume: "by-hand" })
      addVolume("foreign", { driver: "other.example", annotations: { [attachments]: "?" } })
      const version = yield* store.write(v1, existing(yield* store.read(v1)).version, stateOf(1, "a"))
      yield* until(
        Effect.map(store.list, (all) => all.length === 3 && all.some(({ record }) => record.version === version))
      )
      const listed = (yield* store.list).map(({ record, volumeId }) => [volumeId, record._tag])
      assert.sameDeepMembers(listed, [[v1, "Recorded"], [v2, "Unreadable"], [v3, "Unrecorded"]])
    }))

  it.live("no update is lost between replicas, whatever answers are lost", () =>
    Effect.gen(function*() {
      const { addVolume, faults, peer, store } = yield* start()
      addVolume(v1)
      const stores = [store, (yield* peer).store, (yield* peer).store]
      let calls = 0
      faults.add({ fault: { _tag: "CutAfter" }, match: (request) => isPatch(request) && ++calls % 5 === 0 })
      faults.add({ fault: { _tag: "CutBefore" }, match: (request) => isPatch(request) && calls % 7 === 0 })
      const increment = Effect.fnUntraced(function*(one: typeof store, name: string) {
        const found = existing(yield* one.read(v1))
        const next = stateOf((found._tag === "Recorded" ? found.state.revision : 0) + 1, name)
        yield* Effect.catchTag(
          one.write(v1, found.version, next),
          "StoreOutcomeUnknown",
          Effect.fnUntraced(function*() {
            const now = existing(yield* one.read(v1))
            const isMine = now._tag === "Recorded" && JSON.stringify(now.state) === JSON.stringify(next)
            if (!isMine) return yield* Effect.fail("not written")
          })
        )
      })
      yield* Effect.forEach(stores, (one, replica) =>
        Effect.forEach([1, 2, 3, 4], (n) =>
          Effect.retry(increment(one, `${replica}-${n}`), { times: 100 })), {
        concurrency: "unbounded"
      })
      assert.deepInclude(existing(yield* store.read(v1)), { _tag: "Recorded" })
      const last = existing(yield* store.read(v1))
      assert.strictEqual(last._tag === "Recorded" ? last.state.revision : 0, 12)
    }))
})

describe("KubernetesAttachmentStore: two PersistentVolumes of one volume (Retain, imported again)", () => {
  const twice = Effect.gen(function*() {
    const cluster = yield* start()
    cluster.addVolume(v1, { name: "newer", creationTimestamp: "2025-06-01T00:00:00Z" })
    cluster.addVolume(v1, { name: "older", creationTimestamp: "2024-06-01T00:00:00Z" })
    yield* cluster.synced
    return cluster
  })

  it.live("both keep the record, so that either may be deleted", () =>
    Effect.gen(function*() {
      const { removeVolume, requests, store, view } = yield* twice
      const { version } = existing(yield* store.read(v1))
      yield* store.write(v1, version, stateOf(1, "a"))
      assert.deepStrictEqual(requests.filter(isPatch).map(({ name }) => name), ["older", "newer"])
      removeVolume("older")
      yield* until(Effect.sync(() => view.volumes.objects.get("older") === undefined))
      assert.deepInclude(existing(yield* store.read(v1)), { _tag: "Recorded", state: stateOf(1, "a") })
    }))

  it.live("the older one decides between two writers", () =>
    Effect.gen(function*() {
      const { peer, store } = yield* twice
      const other = yield* peer
      yield* other.synced
      const { version } = existing(yield* store.read(v1))
      const outcomes = yield* Effect.all([
        Effect.exit(store.write(v1, version, stateOf(1, "a"))),
        Effect.exit(other.store.write(v1, version, stateOf(1, "b")))
      ], { concurrency: 2 })
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
    }))

  it.live("a record that only one of them has got is an unknown outcome, and counts", () =>
    Effect.gen(function*() {
      const { faults, store } = yield* twice
      const { version } = existing(yield* store.read(v1))
      faults.add({
        fault: { _tag: "Error", code: 500 },
        match: (request) => isPatch(request) && request.name === "newer"
      })
      assert.strictEqual((yield* Effect.flip(store.write(v1, version, stateOf(1, "a"))))._tag, "StoreOutcomeUnknown")
      assert.deepInclude(existing(yield* store.read(v1)), { _tag: "Recorded", state: stateOf(1, "a") })
    }))

  it.live("nonsense in one of them makes the record unreadable", () =>
    Effect.gen(function*() {
      const { annotate, store } = yield* twice
      yield* store.write(v1, existing(yield* store.read(v1)).version, stateOf(1, "a"))
      annotate("newer", { [attachments]: "?" })
      assert.strictEqual(existing(yield* store.read(v1))._tag, "Unreadable")
    }))
})

describe("KubernetesAttachmentStore: without the API server", () => {
  const unavailable = capturedLogs()

  it.live("API server down at start: every answer is an error, none is a guess", () =>
    Effect.gen(function*() {
      const cluster = yield* startCluster()
      cluster.partition(true)
      const { store } = yield* startReplica(cluster.api)
      const answers = [
        Effect.asVoid(store.peek(v1)),
        Effect.asVoid(store.read(v1)),
        Effect.asVoid(store.nodeExists("a"))
      ]
      for (const answer of answers) assert.strictEqual((yield* Effect.flip(answer))._tag, "StoreUnavailable")
    }).pipe(unavailable.run))

  it.effect("what needs a list waits for it, ten seconds at most", () =>
    Effect.gen(function*() {
      const cut = new KubeUnavailable({ message: "partitioned" })
      const { store } = yield* startReplica(storeApi(makeObjectStore(() => ""), () => cut))
      for (
        const answer of [
          Effect.asVoid(store.list),
          Effect.asVoid(store.attachments),
          Effect.asVoid(store.attachmentsOf(v1))
        ]
      ) {
        const asked = yield* Effect.forkChild(Effect.flip(answer))
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(asked.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(asked))._tag, "StoreUnavailable")
      }
    }).pipe(unavailable.run))
})
