import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  DateTime,
  Duration,
  Effect,
  Exit,
  Layer,
  Metric,
  Option,
  Ref,
  Result,
  Schema,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import { Leadership, whileLeader } from "../../src/attachment/Leadership.ts"
import { KubeUnavailable } from "../../src/kubernetes/Errors.ts"
import { leaderLease, leaseName, leaseTimes } from "../../src/kubernetes/LeaderLease.ts"
import { leader } from "../../src/observability/Metrics.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { kinds } from "../support/kubernetes/Kinds.ts"
import { makeObjectStore, part, text } from "../support/kubernetes/ObjectStore.ts"
import { storeApi } from "../support/kubernetes/StoreApi.ts"

const key = { kind: kinds.lease, name: "controller-leader-rds-csi-srvlab-io", namespace: "rds-csi" }
const newStore = Effect.map(DateTime.now, (now) => makeObjectStore(() => DateTime.formatIso(now)))
type Store = Effect.Success<typeof newStore>

const specIn = (store: Store) => part(Result.getOrElse(store.get(key), () => ({})), "spec")

/** What goes wrong between a replica and the API server. */
type Trouble = "none" | "partition" | "answers lost"

/** A replica of the controller that works in the background while it leads. */
const startReplica = Effect.fnUntraced(function*(store: Store, identity: string) {
  const scope = yield* Scope.make()
  const trouble = yield* Ref.make<Trouble>("none")
  const running = yield* Ref.make(false)
  const cut = new KubeUnavailable({ message: "the answer does not come" })
  const api = storeApi(store, (call) =>
    Effect.gen(function*() {
      const now = yield* Ref.get(trouble)
      if (now === "none") return yield* call
      if (now === "answers lost") yield* Effect.exit(call)
      return yield* cut
    }))
  const layer = leaderLease({
    ...leaseTimes(Duration.seconds(15)),
    name: leaseName("rds.csi.srvlab.io"),
    namespace: Option.none(),
    identity
  })
  const context = yield* Layer.build(Layer.provide(layer, api)).pipe(Scope.provide(scope))
  const work = Effect.acquireUseRelease(
    Ref.set(running, true),
    () => Effect.never,
    () => Ref.set(running, false)
  )
  yield* whileLeader(work).pipe(Effect.provide(context), Effect.forkIn(scope))
  return {
    meet: (now: Trouble) => Ref.set(trouble, now),
    leads: Leadership.use(({ changes }) => Effect.map(Stream.runHead(changes), Option.getOrThrow)).pipe(
      Effect.provide(context)
    ),
    running: Ref.get(running),
    stop: Scope.close(scope, Exit.void)
  }
})
type Replica = Effect.Success<ReturnType<typeof startReplica>>

/** Lets time pass in steps of 200 ms; after each, at most one of the replicas may be at work. Answers who is, at the end. */
const pass = Effect.fnUntraced(function*(seconds: number, ...replicas: ReadonlyArray<Replica>) {
  for (let step = 0; step < seconds * 5; step++) {
    yield* TestClock.adjust("200 millis")
    const running = yield* Effect.forEach(replicas, (replica) => replica.running)
    assert.isAtMost(running.filter((on) => on).length, 1, `two leaders after ${step / 5} s`)
  }
  return yield* Effect.forEach(replicas, (replica) => replica.running)
})

describe("LeaderLease", () => {
  it.effect("one of two replicas leads, and renews", () =>
    Effect.gen(function*() {
      const store = yield* newStore
      const a = yield* startReplica(store, "a")
      assert.deepStrictEqual(yield* pass(1, a), [true])
      const b = yield* startReplica(store, "b")
      assert.deepStrictEqual(yield* pass(60, a, b), [true, false])
      assert.deepStrictEqual([yield* a.leads, yield* b.leads], [true, false])
      const spec = specIn(store)
      assert.deepInclude(spec, { holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 0 })
      assert.match(text(spec, "renewTime"), /^1970-01-01T00:01:0\d\.\d{6}Z$/)
    }).pipe(capturedLogs().run))

  it.effect("a leader that is cut off stops within the renew deadline, before the other takes over", () =>
    Effect.gen(function*() {
      const store = yield* newStore
      const a = yield* startReplica(store, "a")
      yield* pass(1, a)
      const b = yield* startReplica(store, "b")
      yield* pass(5, a, b)
      yield* a.meet("partition")
      assert.deepStrictEqual(yield* pass(10, a, b), [false, false])
      assert.deepStrictEqual(yield* pass(10, a, b), [false, true])
      assert.deepInclude(specIn(store), { holderIdentity: "b", leaseTransitions: 1 })
      yield* a.meet("none")
      assert.deepStrictEqual(yield* pass(30, a, b), [false, true])
    }).pipe(capturedLogs().run))

  it.effect("a replica that ends gives the Lease back, and the next one leads at once", () =>
    Effect.gen(function*() {
      const store = yield* newStore
      const a = yield* startReplica(store, "a")
      yield* pass(1, a)
      const b = yield* startReplica(store, "b")
      yield* pass(3, a, b)
      yield* a.stop
      assert.isFalse(yield* a.running)
      assert.deepStrictEqual(yield* pass(3, b), [true])
    }).pipe(capturedLogs().run))

  it.effect("lost answers do not cost the lead as long as one comes through in time", () =>
    Effect.gen(function*() {
      const store = yield* newStore
      const a = yield* startReplica(store, "a")
      yield* pass(1, a)
      const b = yield* startReplica(store, "b")
      for (let round = 0; round < 4; round++) {
        yield* a.meet("answers lost")
        assert.deepStrictEqual(yield* pass(5, a, b), [true, false])
        yield* a.meet("none")
        assert.deepStrictEqual(yield* pass(3, a, b), [true, false])
      }
    }).pipe(capturedLogs().run))

  it.effect("stops when somebody deletes the Lease or takes it", () =>
    Effect.gen(function*() {
      const store = yield* newStore
      const a = yield* startReplica(store, "a")
      yield* pass(1, a)
      store.patch(key, { spec: { holderIdentity: "someone" } }, false)
      assert.deepStrictEqual(yield* pass(3, a), [false])
      store.remove(key)
      assert.deepStrictEqual(yield* pass(3, a), [true])
    }).pipe(capturedLogs().run))

  it.effect("goes by its own clock, whatever times the holder writes (clock skew)", () =>
    Effect.gen(function*() {
      for (const renewTime of ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"]) {
        const store = yield* newStore
        store.create(key, { spec: { holderIdentity: "other", leaseDurationSeconds: 20, renewTime } })
        const a = yield* startReplica(store, "a")
        assert.deepStrictEqual(yield* pass(19, a), [false])
        assert.deepStrictEqual(yield* pass(5, a), [true])
        yield* a.stop
      }
    }).pipe(capturedLogs().run))

  it.effect("shows itself in a gauge", () =>
    Effect.gen(function*() {
      const a = yield* startReplica(yield* newStore, "a")
      const gauge = Effect.map(Metric.value(leader), ({ value }) => value)
      yield* pass(1, a)
      assert.strictEqual(yield* gauge, 1)
      yield* a.stop
      assert.strictEqual(yield* gauge, 0)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), capturedLogs().run))

  const step = Schema.Struct({
    replica: Schema.Literals([0, 1, 2]),
    trouble: Schema.Literals(["none", "partition", "answers lost"]),
    seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))
  })
  it.effect.prop(
    "never two leaders at a time, whatever happens; one at last when all is well",
    [Arbitrary.array(Arbitrary.schema(step), { maxLength: 8 })],
    ([steps]) =>
      Effect.gen(function*() {
        const store = yield* newStore
        const replicas = yield* Effect.forEach(["a", "b", "c"], (identity) => startReplica(store, identity))
        for (const { replica, seconds, trouble } of steps) {
          yield* replicas[replica]?.meet(trouble) ?? Effect.void
          yield* pass(seconds, ...replicas)
        }
        yield* Effect.forEach(replicas, (replica) => replica.meet("none"))
        const running = yield* pass(25, ...replicas)
        assert.strictEqual(running.filter((on) => on).length, 1)
        yield* Effect.forEach(replicas, (replica) => replica.stop)
      }).pipe(capturedLogs().run),
    { arbitrary: { runs: 20 } }
  )
})
