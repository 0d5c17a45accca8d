import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Ref, type Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { KubeApi } from "../../src/kubernetes/KubeApi.ts"
import { leases } from "../../src/kubernetes/Resources.ts"
import { apiLayer } from "../support/kubernetes/Harness.ts"
import { makeRawApi } from "../support/kubernetes/RawApi.ts"
import { until } from "../support/Until.ts"
import { servicesContract } from "./servicesContract.ts"

const namespace = "default"
const leasesPath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`

/**
 * What the driver relies on of a Kubernetes API server, whichever it is: `subject` answers the path of a kubeconfig that may
 * do everything in it. Objects that are made have names of their own and are deleted again.
 */
export const kubernetesContract = (name: string, subject: Effect.Effect<string, unknown, Scope.Scope>) => {
  const start = Effect.gen(function*() {
    const kubeconfig = yield* subject
    const context = yield* Layer.build(apiLayer(kubeconfig, { pageSize: 2 }))
    return { api: yield* Effect.provide(KubeApi, context), raw: yield* makeRawApi(kubeconfig) }
  })

  const newLease = Effect.fnUntraced(function*({ api, raw }: Effect.Success<typeof start>) {
    const ref = { name: `contract-${randomUUID()}`, namespace }
    yield* Effect.addFinalizer(() => Effect.ignore(raw("DELETE", `${leasesPath}/${ref.name}`)))
    const lease = yield* api.create(leases, ref, { spec: { holderIdentity: "a", leaseDurationSeconds: 15 } })
    return { api, ref, lease }
  })

  describe(`Kubernetes API contract: ${name}`, () => {
    it.live("an object is created once, and read back", () =>
      Effect.gen(function*() {
        const { api, lease, ref } = yield* newLease(yield* start)
        assert.deepStrictEqual(yield* api.get(leases, ref), lease)
        const again = yield* Effect.flip(api.create(leases, ref, { spec: { holderIdentity: "b" } }))
        assert.strictEqual(again._tag, "KubeConflict")
        const missing = yield* Effect.flip(api.get(leases, { ...ref, name: "contract-missing" }))
        assert.strictEqual(missing._tag, "KubeNotFound")
      }))

    it.live("a merge patch changes what it names, and null removes", () =>
      Effect.gen(function*() {
        const { api, ref } = yield* newLease(yield* start)
        const { spec } = yield* api.patch(leases, ref, { spec: { holderIdentity: null, leaseTransitions: 3 } })
        assert.deepStrictEqual(spec, { leaseDurationSeconds: 15, leaseTransitions: 3 })
      }))

    it.live("a replacement leaves nothing of what was there, and must know what that was", () =>
      Effect.gen(function*() {
        const { api, lease, ref } = yield* newLease(yield* start)
        const { resourceVersion, uid } = lease.metadata
        const replaced = yield* api.replace(leases, ref, resourceVersion, { spec: { leaseTransitions: 3 } })
        assert.deepStrictEqual(replaced.spec, { leaseTransitions: 3 })
        assert.strictEqual(replaced.metadata.uid, uid)
        assert.notStrictEqual(replaced.metadata.resourceVersion, resourceVersion)
        const stale = yield* Effect.flip(api.replace(leases, ref, resourceVersion, { spec: {} }))
        assert.strictEqual(stale._tag, "KubeConflict")
      }))

    it.live("a patch with an old resourceVersion is refused, and of many at once exactly one gets through", () =>
      Effect.gen(function*() {
        const { api, lease, ref } = yield* newLease(yield* start)
        const outcomes = yield* Effect.forEach([...Array(8).keys()], (i) =>
          Effect.result(api.patch(leases, ref, {
            metadata: { resourceVersion: lease.metadata.resourceVersion },
            spec: { holderIdentity: `writer-${i}` }
          })), { concurrency: "unbounded" })
        assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
        for (const outcome of outcomes) {
          if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "KubeConflict")
        }
      }))

    it.live("a list has every page", () =>
      Effect.gen(function*() {
        const cluster = yield* start
        const made = yield* Effect.forEach([...Array(5).keys()], () => newLease(cluster))
        const { items } = yield* cluster.api.list(leases, { namespace })
        const names = new Set(items.map(({ metadata }) => metadata.name))
        assert.isTrue(made.every(({ ref }) => names.has(ref.name)))
        assert.strictEqual(names.size, items.length)
      }))

    it.live("a watch tells everything that happens after a list, also what was before it began", () =>
      Effect.gen(function*() {
        const cluster = yield* start
        const { resourceVersion } = yield* cluster.api.list(leases)
        const { api, ref } = yield* newLease(cluster)
        yield* api.patch(leases, ref, { spec: { holderIdentity: "b" } })
        const seen = yield* Ref.make<ReadonlyArray<string>>([])
        const watching = yield* api.watch(leases, resourceVersion).pipe(
          Stream.filter((event) => event._tag !== "Bookmark" && event.object.metadata.name === ref.name),
          Stream.runForEach(({ _tag }) => Ref.update(seen, (all) => [...all, _tag])),
          Effect.forkScoped
        )
        yield* until(Effect.map(Ref.get(seen), (all) => all.length === 2))
        yield* cluster.raw("DELETE", `${leasesPath}/${ref.name}`)
        yield* until(Effect.map(Ref.get(seen), (all) => all.length === 3))
        assert.deepStrictEqual(yield* Ref.get(seen), ["Put", "Put", "Removed"])
        yield* Fiber.interrupt(watching)
      }))
  })

  describe(`Kubernetes services contract: ${name}`, () => {
    servicesContract(subject)
  })
}
