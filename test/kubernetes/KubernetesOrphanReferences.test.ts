import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { ClusterView } from "../../src/kubernetes/ClusterView.ts"
import { listedReferences, watchedReferences } from "../../src/kubernetes/KubernetesOrphanReferences.ts"
import { finderIn } from "../../src/orphans/Judgement.ts"
import { OrphanReferences } from "../../src/orphans/OrphanReferences.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { idOf } from "../orphans/World.ts"
import { base } from "../rds/Harness.ts"
import type { SeenRequest } from "../support/kubernetes/Faults.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"

const [v1, v2] = [idOf(1), idOf(2)]

const start = Effect.gen(function*() {
  const cluster = yield* startCluster({}, { pageSize: 2 })
  const { read } = Context.get(yield* Layer.build(Layer.provide(listedReferences, cluster.api)), OrphanReferences)
  /** What refers to the volume. */
  const referenceTo = (id: VolumeId) =>
    Effect.map(read, (references) => Option.getOrUndefined(finderIn(references)({ id, path: `${base}/${id}.img` }))?.by)
  return { ...cluster, read, referenceTo }
})

describe("what refers to a volume in a cluster", () => {
  it.live("a PersistentVolume, whatever its driver, phase and name; among many, read page by page", () =>
    Effect.gen(function*() {
      const { addVolume, referenceTo } = yield* start
      for (let n = 10; n < 15; n++) addVolume(idOf(n))
      addVolume(v1, { name: "static", claim: "", driver: "other.example" })
      assert.strictEqual(yield* referenceTo(v1), "PersistentVolume static")
      assert.isUndefined(yield* referenceTo(v2))
      addVolume("some-handle", { name: v2, claim: "" })
      assert.strictEqual(yield* referenceTo(v2), `PersistentVolume ${v2}`)
    }))

  it.live.each<readonly [string, Readonly<Record<string, string>>]>([
    ["the path of its image", { volumePath: `${base}/${v1}.img` }],
    ["the path without leading slash", { volumePath: `storage-pool/metal-csi/${v1}.img` }],
    ["its NQN", { nqn: `nqn.2000-02.com.mikrotik:${v1}` }]
  ])("a PersistentVolume with another handle and %s in its attributes", ([_, attributes]) =>
    Effect.gen(function*() {
      const { addVolume, referenceTo } = yield* start
      addVolume("some-handle", { name: "static", attributes })
      assert.strictEqual(yield* referenceTo(v1), "PersistentVolume static")
      assert.isUndefined(yield* referenceTo(v2))
    }))

  it.live("a claim that it was made for, or that is bound to it", () =>
    Effect.gen(function*() {
      const { addClaim, referenceTo, removeClaim } = yield* start
      const made = VolumeId.fromName(`pvc-${addClaim("waiting")}`)
      addClaim("lost", { volumeName: v2 })
      assert.strictEqual(yield* referenceTo(made), "PersistentVolumeClaim default/waiting")
      assert.strictEqual(yield* referenceTo(v2), "PersistentVolumeClaim default/lost")
      removeClaim("waiting")
      assert.isUndefined(yield* referenceTo(made))
    }))

  it.live("a VolumeAttachment, also when its PersistentVolume is gone", () =>
    Effect.gen(function*() {
      const { addVolume, attach, forget, referenceTo, removeVolume } = yield* start
      addVolume(v1, { name: "static", claim: "" })
      attach(v1, "node-a", { volume: "static" })
      removeVolume("static")
      assert.match((yield* referenceTo(v1)) ?? "", /^VolumeAttachment csi-.* on node node-a$/)
      assert.isUndefined(yield* referenceTo(v2))
      forget(v1, "node-a")
      assert.isUndefined(yield* referenceTo(v1))
    }))

  it.live.each(["persistentvolumes", "persistentvolumeclaims", "volumeattachments"])(
    "trap: is unknown, not nothing, when %s cannot be listed, also in the middle of it",
    (plural) =>
      Effect.gen(function*() {
        const { addVolume, addClaim, attach, faults, read } = yield* start
        for (let n = 1; n < 6; n++) {
          addVolume(idOf(n))
          addClaim(`claim-${n}`)
          attach(idOf(n), "node-a")
        }
        const of = (request: SeenRequest) => request.plural === plural
        faults.add({ fault: { _tag: "Error", code: 403, message: "forbidden" }, match: of })
        assert.include((yield* Effect.flip(read)).message, "what the cluster refers to cannot be read now: list")
        faults.clear()
        faults.add({ fault: { _tag: "Garbage" }, match: (request) => of(request) && request.query.has("continue") })
        assert.strictEqual((yield* Effect.flip(read))._tag, "ReferencesUnavailable")
        faults.clear()
        assert.lengthOf(yield* read, 15)
      })
  )

  it.live("of a controller: also what its watch knows, and nothing before that knows everything", () =>
    Effect.gen(function*() {
      const cluster = yield* startCluster()
      cluster.addVolume(v1)
      const isWatch = ({ verb }: SeenRequest) => verb === "watch"
      cluster.faults.add({ fault: { _tag: "Hang" }, match: isWatch })
      const context = yield* Layer.build(
        watchedReferences.pipe(
          Layer.provideMerge(ClusterView.layer("rds.csi.srvlab.io")),
          Layer.provide(cluster.api)
        )
      )
      const { volumes } = Context.get(context, ClusterView)
      const { read } = Context.get(context, OrphanReferences)
      yield* volumes.synced
      cluster.removeVolume(v1)
      assert.deepStrictEqual((yield* read).map(({ by }) => by), [`PersistentVolume ${v1}`])
    }))
})
