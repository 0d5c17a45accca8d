import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Controller } from "../../src/csi/gen/csi_pb.ts"
import { filesystem } from "../support/Requests.ts"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually, holds } from "./support/Eventually.ts"
import type { Volume } from "./support/Objects.ts"
import { workloads } from "./support/Workloads.ts"

/** A driver that does not let anybody wait long for what nobody holds any more, and two nodes of the test's own. */
const start = Effect.fnUntraced(function*(prefix: string) {
  const cluster = yield* Cluster
  const work = workloads(cluster)
  const replica = yield* cluster.replica(["--attachment-grace-period=3s"])
  const [a, b] = [`${prefix}-a`, `${prefix}-b`]
  for (const node of [a, b]) yield* work.addNode(node)
  const told = (claim: string, reason: string) =>
    eventually(
      `claim ${claim} was not told ${reason}`,
      Effect.map(cluster.eventsOf(claim), (all) => {
        const found = all.find((event) => event.reason === reason)
        return found === undefined ? { instead: all.map(({ reason }) => reason) } : Option.some(found)
      })
    )
  const record = (pv: string) =>
    Effect.map(cluster.volume(pv), ({ metadata }) => metadata.annotations?.["rds.csi.srvlab.io/attached-node"])
  /** The attach-detach controller has told the pod that it has to wait for another node. */
  const waits = (pod: string) =>
    holds(
      `pod ${pod} was not told to wait`,
      Effect.map(cluster.eventsOf(pod), (all) => all.some(({ reason }) => reason === "FailedAttachVolume"))
    )
  /** What the attacher calls, called in its place. */
  const publish = Effect.fnUntraced(function*({ spec: { csi } }: Volume, nodeId: string) {
    const client = yield* replica.client
    yield* client.call(Controller.method.controllerPublishVolume, {
      volumeId: csi.volumeHandle,
      nodeId,
      volumeContext: csi.volumeAttributes ?? {},
      volumeCapability: filesystem
    })
  })
  return { ...work, cluster, replica, a, b, told, record, waits, publish }
})

describe.skipIf(plane === undefined)("one holder for each volume, with the real attacher", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("a second node is refused and told why, and let in when the first has left", () =>
      Effect.gen(function*() {
        const t = yield* start("refused")
        const { metadata: { name: pv } } = yield* t.provisioned("refused")
        yield* t.wantAttached(pv, t.a)
        yield* t.attached(pv, t.a)
        yield* t.wantAttached(pv, t.b)
        assert.include(yield* t.refused(pv, t.b), t.a)
        assert.include((yield* t.told("refused", "AttachmentConflict")).message, t.a)
        yield* t.wantDetached(pv, t.a)
        yield* t.attached(pv, t.b)
        yield* t.detached(pv, t.a)
        yield* t.wantDetached(pv, t.b)
        yield* t.removeClaim("refused")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a pod that moves waits until kubelet has unstaged the volume", () =>
      Effect.gen(function*() {
        const t = yield* start("moves")
        const { metadata: { name: pv }, spec } = yield* t.provisioned("moves")
        yield* t.pod("moves-before", t.a, "moves")
        yield* t.attached(pv, t.a)
        yield* t.stagedOn(t.a, [spec.csi.volumeHandle])
        yield* t.removePod("moves-before")
        yield* t.pod("moves-after", t.b, "moves")
        yield* t.waits("moves-after")
        assert.isTrue(Option.isSome(yield* t.attachmentOf(pv, t.a)))
        yield* t.stagedOn(t.a, [])
        yield* t.attached(pv, t.b)
        yield* t.removePod("moves-after")
        yield* t.detached(pv, t.b)
        yield* t.removeClaim("moves")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a node that is deleted from the cluster lets go", () =>
      Effect.gen(function*() {
        const t = yield* start("deleted")
        const { metadata: { name: pv }, spec } = yield* t.provisioned("deleted")
        yield* t.pod("deleted-before", t.a, "deleted")
        yield* t.attached(pv, t.a)
        yield* t.stagedOn(t.a, [spec.csi.volumeHandle])
        yield* t.removeNode(t.a)
        // As the garbage collector of pods does after its quarantine of 40 seconds.
        yield* t.removePod("deleted-before")
        yield* t.pod("deleted-after", t.b, "deleted")
        yield* t.detached(pv, t.a)
        yield* t.attached(pv, t.b)
        assert.strictEqual(yield* t.record(pv), t.b)
        yield* t.removePod("deleted-after")
        yield* t.detached(pv, t.b)
        yield* t.removeClaim("deleted")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a node that is told to be out of service lets go of what it has staged", () =>
      Effect.gen(function*() {
        const t = yield* start("taint")
        const { metadata: { name: pv }, spec } = yield* t.provisioned("taint")
        yield* t.pod("taint-before", t.a, "taint")
        yield* t.attached(pv, t.a)
        yield* t.stagedOn(t.a, [spec.csi.volumeHandle])
        yield* t.setReady(t.a, "Unknown")
        yield* t.cluster.raw("DELETE", `${t.cluster.space}/pods/taint-before`)
        yield* t.cluster.kubectl("taint", "node", t.a, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
        yield* t.pod("taint-after", t.b, "taint")
        yield* t.attached(pv, t.b)
        yield* t.detached(pv, t.a)
        assert.strictEqual(yield* t.record(pv), t.b)
        yield* t.removePod("taint-after")
        yield* t.detached(pv, t.b)
        yield* t.removeClaim("taint")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a node that does not answer is detached by force when its time is up, and not before", () =>
      Effect.gen(function*() {
        const t = yield* start("silent")
        const { metadata: { name: pv }, spec } = yield* t.provisioned("silent")
        yield* t.pod("silent-before", t.a, "silent")
        yield* t.attached(pv, t.a)
        yield* t.stagedOn(t.a, [spec.csi.volumeHandle])
        yield* t.setReady(t.a, "Unknown")
        yield* t.removePod("silent-before")
        yield* t.pod("silent-after", t.b, "silent")
        yield* t.waits("silent-after")
        assert.strictEqual(yield* t.record(pv), t.a)
        yield* t.attached(pv, t.b)
        assert.strictEqual(yield* t.record(pv), t.b)
        yield* t.removePod("silent-after")
        yield* t.detached(pv, t.b)
        yield* t.removeClaim("silent")
        yield* t.cluster.nothingLeft
      }))

    it.effect("kill -9 between the grant and the status of the VolumeAttachment: the grant holds, and is not doubled", () =>
      Effect.gen(function*() {
        const t = yield* start("killed")
        const volume = yield* t.provisioned("killed")
        const pv = volume.metadata.name
        const attacher = yield* t.replica.sidecar("attacher")
        // What the attacher would be told, it is not told: the test asks in its place, and the driver dies after the answer.
        yield* attacher.kill("SIGSTOP")
        yield* t.wantAttached(pv, t.a)
        yield* t.publish(volume, t.a)
        yield* t.replica.driver.kill("SIGKILL")
        assert.strictEqual(yield* t.record(pv), t.a)
        yield* t.wantAttached(pv, t.b)
        yield* attacher.kill("SIGCONT")
        yield* t.attached(pv, t.a)
        assert.include(yield* t.refused(pv, t.b), t.a)
        yield* t.wantDetached(pv, t.b)
        yield* t.wantDetached(pv, t.a)
        yield* t.removeClaim("killed")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a grant whose VolumeAttachment went before it was noted is dropped after the grace period", () =>
      Effect.gen(function*() {
        const t = yield* start("stale")
        const volume = yield* t.provisioned("stale")
        const pv = volume.metadata.name
        const attacher = yield* t.replica.sidecar("attacher")
        yield* attacher.kill("SIGSTOP")
        yield* t.wantAttached(pv, t.a)
        yield* t.publish(volume, t.a)
        yield* t.wantDetached(pv, t.a)
        yield* t.replica.driver.kill("SIGKILL")
        yield* t.told("stale", "StaleAttachmentCleared")
        yield* holds("it is still held", Effect.map(t.record(pv), (node) => node === undefined))
        yield* attacher.kill("SIGCONT")
        yield* t.wantAttached(pv, t.b)
        yield* t.attached(pv, t.b)
        yield* t.wantDetached(pv, t.b)
        yield* t.removeClaim("stale")
        yield* t.cluster.nothingLeft
      }))
  })
})
