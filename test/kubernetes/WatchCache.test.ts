import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Layer, Metric, Ref, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { CacheChange } from "../../src/kubernetes/ChangeLog.ts"
import { KubeUnavailable } from "../../src/kubernetes/Errors.ts"
import { KubeApi } from "../../src/kubernetes/KubeApi.ts"
import { csiNodes, nodes } from "../../src/kubernetes/Resources.ts"
import { makeWatchCache } from "../../src/kubernetes/WatchCache.ts"
import { kubeRelistsTotal, kubeWatchLastContact, kubeWatchObjects } from "../../src/observability/Metrics.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { kinds } from "../support/kubernetes/Kinds.ts"
import { makeObjectStore, part, text } from "../support/kubernetes/ObjectStore.ts"
import { storeApi } from "../support/kubernetes/StoreApi.ts"
import { until } from "../support/Until.ts"

/** A cache of Nodes, and all that it told. */
const start = Effect.fnUntraced(function*(...args: Parameters<typeof startCluster>) {
  const cluster = yield* startCluster(...args)
  const context = yield* Layer.build(cluster.api)
  const cache = yield* Effect.provide(makeWatchCache({ resource: nodes }), context)
  const told = yield* Ref.make<ReadonlyArray<string>>([])
  yield* cache.changes.pipe(
    Stream.runForEach((change) => Ref.update(told, (all) => [...all, textOf(change)])),
    Effect.forkScoped({ startImmediately: true })
  )
  const names = () => cache.objects.values().map(({ metadata }) => metadata.name).toSorted()
  return {
    ...cluster,
    cache,
    context,
    names,
    told: Ref.get(told),
    knows: (...expected: ReadonlyArray<string>) =>
      until(Effect.sync(() => JSON.stringify(names()) === JSON.stringify(expected))),
    watching: until(Effect.sync(() => cluster.watchers.count() === 1)),
    count: (verb: string) => cluster.requests.filter((request) => request.verb === verb).length
  }
})

const textOf = (change: CacheChange<{ readonly metadata: { readonly name: string } }>) =>
  change._tag === "Relisted" ? "Relisted" : `${change._tag} ${change.object.metadata.name}`

const ownMetrics = Effect.provideService(Metric.MetricRegistry, new Map())

describe("WatchCache", () => {
  it.live("has everything once it is synced, and follows", () =>
    Effect.gen(function*() {
      const { addNode, cache, knows, names, removeNode, setReady, told, watching } = yield* start()
      addNode("a")
      yield* cache.synced
      yield* watching
      addNode("b")
      yield* knows("a", "b")
      setReady("a", false)
      removeNode("b")
      yield* knows("a")
      assert.deepStrictEqual((yield* told).slice(-4), ["Relisted", "Put b", "Put a", "Removed b"])
      assert.deepStrictEqual(names(), ["a"])
    }))

  it.live("the API server down at start: is not synced, says why once, and starts when it comes", () =>
    Effect.gen(function*() {
      const logs = capturedLogs("Info")
      yield* Effect.gen(function*() {
        const cluster = yield* startCluster()
        cluster.partition(true)
        const cache = yield* Effect.provide(makeWatchCache({ resource: nodes }), yield* Layer.build(cluster.api))
        cluster.addNode("a")
        yield* until(Effect.sync(() => logs.lines.length > 0))
        assert.isFalse(yield* cache.isSynced)
        cluster.partition(false)
        yield* cache.synced
        assert.strictEqual(cache.objects.values().length, 1)
      }).pipe(logs.run)
      assert.deepStrictEqual(logs.lines.map(({ message }) => message), ["the Kubernetes API cannot be watched"])
    }))

  it.live("a watch that breaks is taken up where it was, without a new list", () =>
    Effect.gen(function*() {
      const { addNode, count, knows, partition, removeNode, watchers, watching } = yield* start()
      addNode("a")
      yield* watching
      watchers.bookmark()
      addNode("b")
      yield* knows("a", "b")
      partition(true)
      addNode("c")
      removeNode("a")
      partition(false)
      yield* knows("b", "c")
      yield* watching
      watchers.close()
      addNode("d")
      yield* knows("b", "c", "d")
      assert.strictEqual(count("list"), 1)
    }).pipe(capturedLogs().run))

  it.live("410: lists again, and tells what went away meanwhile", () =>
    Effect.gen(function*() {
      const { addNode, count, knows, partition, removeNode, objects, told, watching } = yield* start()
      addNode("a")
      yield* knows("a")
      yield* watching
      partition(true)
      addNode("b")
      removeNode("a")
      objects.compact()
      partition(false)
      yield* knows("b")
      assert.strictEqual(count("list"), 2)
      assert.deepStrictEqual((yield* told).slice(-3), ["Removed a", "Put b", "Relisted"])
    }).pipe(capturedLogs().run))

  it.live("a watch that says nothing any more is replaced", () =>
    Effect.gen(function*() {
      const { addNode, knows, watchers, watching } = yield* start({}, { watchSilence: "80 millis" })
      yield* watching
      watchers.holdBack(true)
      addNode("a")
      yield* Effect.forkScoped(Effect.andThen(
        until(Effect.sync(() => watchers.opened() >= 2)),
        Effect.sync(() => watchers.holdBack(false))
      ))
      yield* knows("a")
    }).pipe(capturedLogs().run))

  it.live("a call's answer is known before the watch tells of it, unless the object is gone", () =>
    Effect.gen(function*() {
      const { addNode, cache, context, knows, removeNode, watchers, watching } = yield* start()
      addNode("a")
      yield* knows("a")
      yield* watching
      const api = yield* Effect.provide(KubeApi, context)
      watchers.holdBack(true)
      const changed = yield* api.patch(nodes, { name: "a" }, { metadata: { labels: { x: "1" } } })
      yield* cache.learn(changed)
      assert.strictEqual(cache.objects.get("a")?.metadata.resourceVersion, changed.metadata.resourceVersion)
      removeNode("a")
      watchers.holdBack(false)
      yield* knows()
      yield* cache.learn(changed)
      assert.deepStrictEqual(cache.objects.values(), [])
    }))

  it.live("objects are found by what leads to them, and only those that concern the driver are kept", () =>
    Effect.gen(function*() {
      const cluster = yield* startCluster()
      cluster.addNode("a", { nodeId: "id-1" })
      cluster.addNode("b", { nodeId: null })
      const cache = yield* Effect.provide(
        makeWatchCache({
          resource: csiNodes,
          concerns: ({ spec }) => spec.drivers !== null,
          keysOf: ({ spec }) => (spec.drivers ?? []).map(({ nodeID }) => nodeID)
        }),
        yield* Layer.build(cluster.api)
      )
      yield* cache.synced
      assert.deepStrictEqual(cache.objects.having("id-1").map(({ metadata }) => metadata.name), ["a"])
      assert.strictEqual(cache.objects.get("b"), undefined)
      cluster.removeNode("a")
      yield* until(Effect.sync(() => cache.objects.having("id-1").length === 0))
    }))

  it.live("a reader that cannot keep up is told that it missed something", () =>
    Effect.gen(function*() {
      const { addNode, cache, setReady, watching } = yield* start()
      addNode("a")
      yield* watching
      const seen: Array<string> = []
      const gate = yield* Ref.make(false)
      const reader = yield* cache.changes.pipe(
        Stream.tap(() => until(Ref.get(gate))),
        Stream.takeUntil((change) => change._tag === "Put" && change.object.metadata.name === "last"),
        Stream.runForEach((change) =>
          Effect.sync(() => {
            seen.push(textOf(change))
          })
        ),
        Effect.forkChild({ startImmediately: true })
      )
      for (let i = 0; i < 3000; i++) setReady("a", i % 2 === 0)
      addNode("last")
      yield* until(Effect.sync(() => cache.objects.get("last") !== undefined))
      yield* Ref.set(gate, true)
      yield* Fiber.join(reader)
      assert.isBelow(seen.length, 1500)
      assert.include(seen, "Relisted")
    }))

  it.effect("a place in the history that the API server does not answer to is given up (restored from a backup)", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const api = Layer.succeed(KubeApi, {
        ...yield* KubeApi,
        list: () => Effect.succeed({ items: [], resourceVersion: asked.length === 0 ? "1000" : "7" }),
        watch: (_resource, from) => {
          asked.push(from)
          return from === "7" ? Stream.never : Stream.fail(new KubeUnavailable({ message: "too large" }))
        }
      })
      yield* Effect.provide(makeWatchCache({ resource: nodes }), api)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(asked, ["1000", "1000", "1000", "1000", "1000", "7"])
    }).pipe(Effect.provide(storeApi(makeObjectStore(() => ""))), capturedLogs().run))

  it.live("metrics: when it was last heard of, how many objects, how many lists", () =>
    Effect.gen(function*() {
      const { addNode, knows } = yield* start()
      addNode("a")
      yield* knows("a")
      const kind = { kind: "Node" }
      const { value: contact } = yield* Metric.value(Metric.withAttributes(kubeWatchLastContact, kind))
      assert.isBelow(Math.abs(Date.now() / 1000 - contact), 5)
      assert.strictEqual((yield* Metric.value(Metric.withAttributes(kubeRelistsTotal, kind))).count, 1)
      yield* until(Effect.map(
        Metric.value(Metric.withAttributes(kubeWatchObjects, kind)),
        ({ value }) => value === 1
      ))
    }).pipe(ownMetrics))

  const step = Schema.Literals(["add", "remove", "change", "cut", "compact", "close", "bookmark"])
  it.live.prop(
    "in the end it knows what there is, whatever happens between",
    [Arbitrary.array(Arbitrary.schema(step), { minLength: 5, maxLength: 40 })],
    ([steps]) =>
      Effect.gen(function*() {
        const { addNode, cache, partition, removeNode, setReady, objects, watchers } = yield* start()
        const present: Array<string> = []
        for (const [i, step] of steps.entries()) {
          if (step === "add") {
            present.push(`n${i}`)
            addNode(`n${i}`)
          }
          if (step === "remove") { for (const name of present.splice(0, 1)) removeNode(name) }
          if (step === "change") { for (const name of present.slice(0, 1)) setReady(name, i % 2 === 0) }
          if (step === "compact") objects.compact()
          if (step === "close") watchers.close()
          if (step === "bookmark") watchers.bookmark()
          if (step === "cut") partition(true)
          yield* Effect.yieldNow
          partition(false)
        }
        const versions = () =>
          cache.objects.values().map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).toSorted()
        const actual = objects.list(kinds.node).map((object) => part(object, "metadata"))
          .map((metadata) => `${text(metadata, "name")} ${text(metadata, "resourceVersion")}`).toSorted()
        yield* until(Effect.sync(() => JSON.stringify(versions()) === JSON.stringify(actual)))
      }).pipe(Effect.scoped, capturedLogs().run),
    { arbitrary: { runs: 10 } }
  )
})
