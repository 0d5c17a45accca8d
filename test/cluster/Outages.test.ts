import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Cluster, plane } from "./support/Cluster.ts"
import { holds } from "./support/Eventually.ts"
import { processId, signal } from "./support/Supervised.ts"
import { workloads } from "./support/Workloads.ts"

const start = Effect.fnUntraced(function*(prefix: string) {
  const cluster = yield* Cluster
  const work = workloads(cluster)
  const replica = yield* cluster.replica(["--leader-election-lease-duration=4s"])
  const [a, b] = [`${prefix}-a`, `${prefix}-b`]
  for (const node of [a, b]) yield* work.addNode(node)
  const { metadata: { name: pv } } = yield* work.provisioned(prefix)
  yield* work.wantAttached(pv, a)
  yield* work.attached(pv, a)
  /** That another node is kept out, and gets the volume when this one has left. */
  const stillFenced = Effect.gen(function*() {
    yield* work.wantAttached(pv, b)
    assert.include(yield* work.refused(pv, b), a)
    yield* work.wantDetached(pv, a)
    yield* work.attached(pv, b)
    yield* work.wantDetached(pv, b)
    yield* work.removeClaim(prefix)
    yield* cluster.nothingLeft
  })
  return { ...work, cluster, replica, stillFenced }
})

/** Waits until another process answers. */
const restartServer = Effect.fnUntraced(function*({ plane, raw }: Cluster["Service"], how: NodeJS.Signals) {
  const name = "kube-apiserver"
  const before = yield* signal(plane.directory, name, how)
  yield* holds(
    "the API server is not back",
    Effect.map(
      Effect.all([processId(plane.directory, name), raw("GET", "/api/v1/namespaces/default")]),
      ([pid]) => pid !== before
    ),
    "3 minutes"
  )
})

describe.skipIf(plane === undefined)("a control plane in trouble", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect.each<[whatever: string, prefix: string, how: NodeJS.Signals]>([
      ["is killed", "server-killed", "SIGKILL"],
      ["ends in order, for which it refuses everybody for a minute,", "server-ended", "SIGTERM"]
    ])("the API server %s and comes back", ([_, prefix, how]) =>
      Effect.gen(function*() {
        const { cluster, replica, stillFenced } = yield* start(prefix)
        const driver = yield* replica.driver.pid
        yield* restartServer(cluster, how)
        yield* stillFenced
        assert.strictEqual(yield* replica.driver.pid, driver)
      }))

    it.effect("etcd says nothing for 20 seconds", () =>
      Effect.gen(function*() {
        const { cluster, replica, stillFenced } = yield* start("etcd-silent")
        const driver = yield* replica.driver.pid
        yield* signal(cluster.plane.directory, "etcd", "SIGSTOP")
        // The outage itself is what is waited for.
        yield* Effect.ensuring(
          Effect.sleep("20 seconds"),
          Effect.orDie(signal(cluster.plane.directory, "etcd", "SIGCONT"))
        )
        yield* stillFenced
        assert.strictEqual(yield* replica.driver.pid, driver)
      }))
  })
})
