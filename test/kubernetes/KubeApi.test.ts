import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { KubeApi } from "../../src/kubernetes/KubeApi.ts"
import { nodes, persistentVolumes } from "../../src/kubernetes/Resources.ts"
import { startApiServer } from "../support/kubernetes/ApiServer.ts"
import type { Fault, SeenRequest } from "../support/kubernetes/Faults.ts"
import { apiLayer, startCluster, writeKubeconfig } from "../support/kubernetes/Harness.ts"
import { kubeconfigText } from "../support/kubernetes/Kubeconfig.ts"
import { until } from "../support/Until.ts"

const start = Effect.fnUntraced(function*(...args: Parameters<typeof startCluster>) {
  const cluster = yield* startCluster(...args)
  return { ...cluster, kube: yield* Effect.provide(KubeApi, yield* Layer.build(cluster.api)) }
})

const verb = (name: SeenRequest["verb"]) => (request: SeenRequest) => request.verb === name

/** A patch of a PersistentVolume that suffers from the fault, and what became of the volume. */
const patchWith = Effect.fnUntraced(function*(fault: Fault) {
  const cluster = yield* start({}, { callTimeout: "100 millis" })
  cluster.addVolume("v")
  cluster.faults.add({ fault, match: verb("patch"), times: 1 })
  const exit = yield* Effect.result(
    cluster.kube.patch(persistentVolumes, { name: "v" }, { metadata: { annotations: { done: "yes" } } })
  )
  const isDone = Effect.sync(() => cluster.annotationsOf("v")["done"] === "yes")
  return { ...cluster, outcome: exit._tag === "Failure" ? exit.failure._tag : "done", isDone, wasDone: yield* isDone }
})

describe("KubeApi", () => {
  it.live("keeps of an object what the driver uses", () =>
    Effect.gen(function*() {
      const { addNode, kube } = yield* start()
      addNode("a")
      assert.deepStrictEqual(yield* kube.get(nodes, { name: "a" }), {
        metadata: { name: "a", uid: "00000000-0000-4000-8000-000000000001", resourceVersion: "2" },
        status: { conditions: [{ type: "Ready", status: "True" }] }
      })
    }))

  it.live("a list is read page by page", () =>
    Effect.gen(function*() {
      const { addNode, kube, requests } = yield* start({}, { pageSize: 2 })
      for (const name of ["a", "b", "c", "d", "e"]) addNode(name)
      const { items } = yield* kube.list(nodes)
      assert.deepStrictEqual(items.map(({ metadata }) => metadata.name), ["a", "b", "c", "d", "e"])
      assert.strictEqual(requests.filter(verb("list")).length, 3)
    }))

  it.live("a list whose snapshot is compacted half way (410) is read in one page", () =>
    Effect.gen(function*() {
      const { addNode, faults, kube, requests, objects } = yield* start({}, { pageSize: 2 })
      for (const name of ["a", "b", "c"]) addNode(name)
      faults.add({
        fault: { _tag: "Delay", millis: 0 },
        match: ({ query }) => {
          if (query.has("continue")) {
            addNode("d")
            objects.compact()
          }
          return false
        }
      })
      const { items, resourceVersion } = yield* kube.list(nodes)
      assert.strictEqual(items.length, 4)
      assert.strictEqual(resourceVersion, String(objects.revision()))
      assert.deepStrictEqual(requests.map(({ query }) => query.get("limit")), ["2", "2", null])
    }))

  const answers = [
    [401, "KubeForbidden"],
    [403, "KubeForbidden"],
    [404, "KubeNotFound"],
    [410, "KubeGone"],
    [422, "KubeRefused"],
    [429, "KubeUnavailable"],
    [500, "KubeUnavailable"],
    [503, "KubeUnavailable"]
  ] as const
  for (const [code, tag] of answers) {
    it.live(`an answer of ${code} to a read is ${tag}, with the API server's words`, () =>
      Effect.gen(function*() {
        const { faults, kube } = yield* start()
        faults.add({ fault: { _tag: "Error", code, message: "because" } })
        const error = yield* Effect.flip(kube.get(nodes, { name: "a" }))
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.message, `get Node a: the API server answered ${code}: because`)
      }))
  }

  const outcomes = [
    [{ _tag: "Error", code: 403 }, "KubeForbidden", false],
    [{ _tag: "Error", code: 409 }, "KubeConflict", false],
    [{ _tag: "Error", code: 429 }, "KubeUnavailable", false],
    [{ _tag: "Error", code: 500 }, "KubeOutcomeUnknown", false],
    [{ _tag: "Error", code: 504 }, "KubeOutcomeUnknown", false],
    [{ _tag: "CutBefore" }, "KubeOutcomeUnknown", false],
    [{ _tag: "CutAfter" }, "KubeOutcomeUnknown", true],
    [{ _tag: "Hang" }, "KubeOutcomeUnknown", false],
    [{ _tag: "HangAfter" }, "KubeOutcomeUnknown", true],
    [{ _tag: "Garbage" }, "KubeOutcomeUnknown", true]
  ] as const satisfies ReadonlyArray<readonly [Fault, string, boolean]>
  for (const [fault, tag, isDone] of outcomes) {
    it.live(`a write that meets ${JSON.stringify(fault)} is ${tag}`, () =>
      Effect.gen(function*() {
        const { outcome, wasDone } = yield* patchWith(fault)
        assert.deepStrictEqual({ outcome, wasDone }, { outcome: tag, wasDone: isDone })
      }))
  }

  it.live("a write whose answer is lost may still be carried out later", () =>
    Effect.gen(function*() {
      const { isDone, outcome, wasDone } = yield* patchWith({ _tag: "CutThenLate", millis: 30 })
      assert.deepStrictEqual([outcome, wasDone], ["KubeOutcomeUnknown", false])
      yield* until(isDone)
    }))

  it.live("a write that cannot reach the API server was certainly not done", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.map(startApiServer(), (server) => server.port))
      const api = apiLayer(yield* writeKubeconfig(kubeconfigText(`http://127.0.0.1:${port}`)))
      const kube = yield* Effect.provide(KubeApi, yield* Layer.build(api))
      const error = yield* Effect.flip(kube.patch(persistentVolumes, { name: "v" }, { metadata: {} }))
      assert.strictEqual(error._tag, "KubeUnavailable")
      assert.strictEqual(error.message, "patch PersistentVolume v: the API server did not answer: ECONNREFUSED")
    }))

  it.live("the time limit holds where interruption is not allowed", () =>
    Effect.gen(function*() {
      const { faults, kube } = yield* start({}, { callTimeout: "50 millis" })
      faults.add({ fault: { _tag: "Hang" } })
      const call = Effect.uninterruptible(kube.get(nodes, { name: "a" }))
      const [took, error] = yield* Effect.timed(Effect.flip(call))
      assert.strictEqual(error._tag, "KubeUnavailable")
      assert.isBelow(Duration.toMillis(took), 2000)
    }))

  it.live("a read on a connection that the server has closed meanwhile is made again, a write is not", () =>
    Effect.gen(function*() {
      const { addNode, addVolume, faults, kube, requests } = yield* start()
      addNode("a")
      addVolume("v")
      yield* kube.get(nodes, { name: "a" })
      faults.add({ fault: { _tag: "CutBefore" }, times: 1 })
      yield* kube.get(nodes, { name: "a" })
      faults.add({ fault: { _tag: "CutBefore" }, times: 1 })
      const error = yield* Effect.flip(kube.patch(persistentVolumes, { name: "v" }, { metadata: {} }))
      assert.strictEqual(error._tag, "KubeOutcomeUnknown")
      assert.deepStrictEqual(requests.map(({ verb }) => verb), ["get", "get", "get", "patch"])
    }))

  it.live("an interrupted call drops its connection", () =>
    Effect.gen(function*() {
      const { connections, faults, kube, requests } = yield* start()
      faults.add({ fault: { _tag: "Hang" } })
      const call = yield* Effect.forkChild(kube.get(nodes, { name: "a" }))
      yield* until(Effect.sync(() => requests.length === 1))
      yield* Fiber.interrupt(call)
      yield* until(Effect.sync(() => connections() === 0))
    }))

  it.live("connections are reused", () =>
    Effect.gen(function*() {
      const { addNode, connections, kube } = yield* start()
      addNode("a")
      yield* Effect.forEach([1, 2, 3, 4], () => kube.get(nodes, { name: "a" }))
      assert.strictEqual(connections(), 1)
    }))

  it.live("an answer that is not JSON is no answer", () =>
    Effect.gen(function*() {
      const { addNode, faults, kube } = yield* start()
      addNode("a")
      faults.add({ fault: { _tag: "Garbage" } })
      const error = yield* Effect.flip(kube.get(nodes, { name: "a" }))
      assert.strictEqual(error._tag, "KubeUnavailable")
    }))

  it.live("a watch ends when the server ends it, and fails when the connection breaks or stays silent", () =>
    Effect.gen(function*() {
      const { kube, partition, objects, watchers } = yield* start({}, { watchSilence: "100 millis" })
      const watch = Effect.forkChild(Effect.exit(Stream.runDrain(kube.watch(nodes, String(objects.revision())))))
      const open = until(Effect.sync(() => watchers.count() === 1))
      const ended = yield* watch
      yield* open
      watchers.close()
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(ended)))
      const silent = yield* watch
      assert.include(String(yield* Fiber.join(silent)), "silence")
      const broken = yield* watch
      yield* open
      partition(true)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(broken)))
    }))

  it.live("a watch that continues too far back is told so, in either way that API servers have (410)", () =>
    Effect.gen(function*() {
      const { addNode, faults, kube, objects } = yield* start()
      addNode("a")
      objects.compact()
      const watch = Effect.flip(Stream.runDrain(kube.watch(nodes, "1")))
      assert.strictEqual((yield* watch)._tag, "KubeGone")
      faults.add({ fault: { _tag: "Error", code: 410 }, match: verb("watch") })
      assert.strictEqual((yield* watch)._tag, "KubeGone")
    }))
})
