import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SharingGuard } from "../../src/attachment/SharingGuard.ts"
import { kubernetesSharingGuard, type SharingPolicy } from "../../src/kubernetes/KubernetesSharingGuard.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import type { Cluster } from "../support/kubernetes/Cluster.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { text } from "../support/kubernetes/ObjectStore.ts"
import { startReplica } from "../support/kubernetes/Replica.ts"
import { until } from "../support/Until.ts"

const v1 = VolumeId.fromName("v1")

const start = Effect.fnUntraced(function*(policy: SharingPolicy) {
  const cluster = yield* startCluster()
  cluster.addVolume(v1, { claim: "default/disk" })
  cluster.addNode("a")
  cluster.addNode("b")
  const replica = yield* startReplica(cluster.api)
  yield* replica.synced
  const layer = Layer.provide(kubernetesSharingGuard(policy), Layer.succeedContext(replica.context))
  const guard = Context.get(yield* Layer.build(layer), SharingGuard)
  return { ...cluster, check: guard.check(v1, "a", "b") }
})

const launcher = (vm: string) => ({ "kubevirt.io": "virt-launcher", "kubevirt.io/created-by": vm })
const hotplug = { "kubevirt.io": "hotplug-disk" }
const claim = "disk"

/** Who uses the claim on two nodes; undefined: a virtual machine that moves. */
const cases: ReadonlyArray<readonly [string, (cluster: Cluster) => void, RegExp | undefined]> = [
  ["a virtual machine that moves", (cluster) => {
    cluster.addPod("source", { node: "a", claim, labels: launcher("vm-1") })
    cluster.addPod("target", {
      node: "b",
      claim,
      labels: { ...launcher("vm-1"), "kubevirt.io/migrationJobUID": "m" },
      phase: "Pending"
    })
  }, undefined],
  ["a hotplugged disk that moves with its virtual machine", (cluster) => {
    const source = cluster.addPod("source", { node: "a", labels: launcher("vm-1") })
    const target = cluster.addPod("target", { node: "b", labels: launcher("vm-1") })
    cluster.addPod("hp-1", { node: "a", claim, labels: hotplug, owner: { kind: "Pod", uid: source } })
    cluster.addPod("hp-2", { node: "b", claim, labels: hotplug, owner: { kind: "Pod", uid: target } })
  }, undefined],
  ["a virtual machine whose source pod has ended", (cluster) => {
    cluster.addPod("source", { node: "a", claim, labels: launcher("vm-0"), phase: "Succeeded" })
    cluster.addPod("target", { node: "b", claim, labels: launcher("vm-1") })
  }, undefined],
  ["pods of a deployment", (cluster) => {
    cluster.addPod("web-1", { node: "a", claim })
    cluster.addPod("web-2", { node: "b", claim })
  }, /pod web-1 on node a uses claim disk and is not of a KubeVirt virtual machine/],
  ["two virtual machines", (cluster) => {
    cluster.addPod("vm-1", { node: "a", claim, labels: launcher("vm-1") })
    cluster.addPod("vm-2", { node: "b", claim, labels: launcher("vm-2") })
  }, /are of different virtual machines/],
  ["a virtual machine and a backup job", (cluster) => {
    cluster.addPod("source", { node: "a", claim, labels: launcher("vm-1") })
    cluster.addPod("target", { node: "b", claim, labels: launcher("vm-1") })
    cluster.addPod("backup", { node: "b", claim })
  }, /pod backup on node b/],
  ["a hotplug pod whose owner is not there", (cluster) => {
    cluster.addPod("hp", { node: "b", claim, labels: hotplug, owner: { kind: "Pod", uid: "gone" } })
  }, /pod hp on node b/],
  ["nobody on the second node", (cluster) => {
    cluster.addPod("source", { node: "a", claim, labels: launcher("vm-1") })
    cluster.addPod("another", { node: "b", claim: "other", labels: launcher("vm-1") })
  }, /no pod on node b uses claim disk/]
]

describe("kubernetesSharingGuard", () => {
  for (const [who, populate, objection] of cases) {
    it.live(`kubevirt-only: ${who} ${objection === undefined ? "may share" : "may not share"}`, () =>
      Effect.gen(function*() {
        const cluster = yield* start("kubevirt-only")
        populate(cluster)
        if (objection === undefined) return yield* cluster.check
        const error = yield* Effect.flip(cluster.check)
        assert.strictEqual(error._tag, "AttachmentConflict")
        assert.match(error.message, objection)
      }))

    it.live(`warn: ${who} may share${objection === undefined ? "" : ", with a warning on the claim"}`, () =>
      Effect.gen(function*() {
        const cluster = yield* start("warn")
        populate(cluster)
        yield* cluster.check
        if (objection === undefined) return assert.deepStrictEqual(cluster.events(), [])
        yield* until(Effect.sync(() => cluster.events().length === 1))
        const [event = {}] = cluster.events()
        assert.deepInclude(event, { type: "Warning", reason: "UnsafeSharing" })
        assert.match(text(event, "message"), objection)
      }).pipe(capturedLogs().run))
  }

  it.live("kubevirt-only: when pods cannot be listed nobody may share for now", () =>
    Effect.gen(function*() {
      const { check, faults } = yield* start("kubevirt-only")
      faults.add({ fault: { _tag: "Error", code: 403 }, match: ({ plural }) => plural === "pods" })
      assert.strictEqual((yield* Effect.flip(check))._tag, "AttachmentUnknown")
    }))

  it.live("warn: when pods cannot be listed the warning says so", () =>
    Effect.gen(function*() {
      const { check, events, faults } = yield* start("warn")
      faults.add({ fault: { _tag: "Error", code: 403 }, match: ({ plural }) => plural === "pods" })
      yield* check
      yield* until(Effect.sync(() => events().length === 1))
      assert.match(text(events()[0] ?? {}, "message"), /is not known: list Pod: the API server answered 403/)
    }).pipe(capturedLogs().run))

  it.live("any: nobody is asked", () =>
    Effect.gen(function*() {
      const { check, requests } = yield* start("any")
      yield* check
      assert.isFalse(requests.some(({ plural }) => plural === "pods"))
    }))
})
