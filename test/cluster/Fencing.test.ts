import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Controller } from "../../src/csi/gen/csi_pb.ts"
import { filesystem } from "../support/Requests.ts"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually, holds } from "./support/Eventually.ts"
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
  return { ...work, cluster, replica, a, b, told, record }
})

describe.skipIf(plane === undefined)("one holder for each volume, with the real attacher", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("a second node is refused and told why, and let in when the first has left", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          cluster,
          detached,
          provisioned,
          refused,
          removeClaim,
          told,
          wantAttached,
          wantDetached
        } = yield* start("refused")
        const { metadata: { name: pv } } = yield* provisioned("refused")
        yield* wantAttached(pv, a)
        yield* attached(pv, a)
        yield* wantAttached(pv, b)
        assert.include(yield* refused(pv, b), a)
        assert.include((yield* told("refused", "AttachmentConflict")).message, a)
        yield* wantDetached(pv, a)
        yield* attached(pv, b)
        yield* detached(pv, a)
        yield* wantDetached(pv, b)
        yield* removeClaim("refused")
        yield* cluster.nothingLeft
      }))

    it.effect("a pod that moves waits until kubelet has unstaged the volume", () =>
      Effect.gen(function*() {
        const { a, attached, attachmentOf, b, cluster, detached, pod, provisioned, removeClaim, removePod, stagedOn } =
          yield* start("moves")
        const { metadata: { name: pv }, spec } = yield* provisioned("moves")
        yield* pod("moves-before", a, "moves")
        yield* attached(pv, a)
        yield* stagedOn(a, [spec.csi.volumeHandle])
        yield* removePod("moves-before")
        yield* pod("moves-after", b, "moves")
        yield* eventually(
          "nobody was told of the other node",
          Effect.map(cluster.eventsOf("moves-after"), (all) =>
            Option.fromNullishOr(all.find(({ reason }) => reason === "FailedAttachVolume")))
        )
        assert.isTrue(Option.isSome(yield* attachmentOf(pv, a)))
        yield* stagedOn(a, [])
        yield* attached(pv, b)
        yield* removePod("moves-after")
        yield* detached(pv, b)
        yield* removeClaim("moves")
        yield* cluster.nothingLeft
      }))

    it.effect("a node that is deleted from the cluster lets go", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          cluster,
          detached,
          pod,
          provisioned,
          record,
          removeClaim,
          removeNode,
          removePod,
          stagedOn
        } = yield* start("deleted")
        const { metadata: { name: pv }, spec } = yield* provisioned("deleted")
        yield* pod("deleted-before", a, "deleted")
        yield* attached(pv, a)
        yield* stagedOn(a, [spec.csi.volumeHandle])
        yield* removeNode(a)
        // As the garbage collector of pods does after its quarantine of 40 seconds.
        yield* removePod("deleted-before")
        yield* pod("deleted-after", b, "deleted")
        yield* detached(pv, a)
        yield* attached(pv, b)
        assert.strictEqual(yield* record(pv), b)
        yield* removePod("deleted-after")
        yield* detached(pv, b)
        yield* removeClaim("deleted")
        yield* cluster.nothingLeft
      }))

    it.effect("a node that is told to be out of service lets go of what it has staged", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          cluster,
          detached,
          pod,
          provisioned,
          record,
          removeClaim,
          removePod,
          setReady,
          stagedOn
        } = yield* start("taint")
        const { metadata: { name: pv }, spec } = yield* provisioned("taint")
        yield* pod("taint-before", a, "taint")
        yield* attached(pv, a)
        yield* stagedOn(a, [spec.csi.volumeHandle])
        yield* setReady(a, "Unknown")
        yield* cluster.raw("DELETE", `${cluster.space}/pods/taint-before`)
        yield* cluster.kubectl("taint", "node", a, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
        yield* pod("taint-after", b, "taint")
        yield* attached(pv, b)
        yield* detached(pv, a)
        assert.strictEqual(yield* record(pv), b)
        yield* removePod("taint-after")
        yield* detached(pv, b)
        yield* removeClaim("taint")
        yield* cluster.nothingLeft
      }))

    it.effect("a node that does not answer is detached by force when its time is up, and not before", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          cluster,
          detached,
          pod,
          provisioned,
          record,
          removeClaim,
          removePod,
          setReady,
          stagedOn
        } = yield* start("silent")
        const { metadata: { name: pv }, spec } = yield* provisioned("silent")
        yield* pod("silent-before", a, "silent")
        yield* attached(pv, a)
        yield* stagedOn(a, [spec.csi.volumeHandle])
        yield* setReady(a, "Unknown")
        yield* removePod("silent-before")
        yield* pod("silent-after", b, "silent")
        yield* eventually(
          "nobody was told of the other node",
          Effect.map(
            cluster.eventsOf("silent-after"),
            (all) => Option.fromNullishOr(all.find(({ reason }) => reason === "FailedAttachVolume"))
          )
        )
        assert.strictEqual(yield* record(pv), a)
        yield* attached(pv, b)
        assert.strictEqual(yield* record(pv), b)
        yield* removePod("silent-after")
        yield* detached(pv, b)
        yield* removeClaim("silent")
        yield* cluster.nothingLeft
      }))

    it.effect("kill -9 between the grant and the status of the VolumeAttachment: the grant holds, and is not doubled", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          cluster,
          provisioned,
          record,
          refused,
          removeClaim,
          replica,
          wantAttached,
          wantDetached
        } = yield* start("killed")
        const { metadata: { name: pv }, spec } = yield* provisioned("killed")
        const attacher = yield* replica.sidecar("attacher")
        // What the attacher would be told, it is not told: the test asks in its place, and the driver dies after the answer.
        yield* attacher.kill("SIGSTOP")
        yield* wantAttached(pv, a)
        const client = yield* replica.client
        yield* client.call(Controller.method.controllerPublishVolume, {
          volumeId: spec.csi.volumeHandle,
          nodeId: a,
          volumeContext: spec.csi.volumeAttributes ?? {},
          volumeCapability: filesystem
        })
        yield* replica.driver.kill("SIGKILL")
        assert.strictEqual(yield* record(pv), a)
        yield* wantAttached(pv, b)
        yield* attacher.kill("SIGCONT")
        yield* attached(pv, a)
        assert.include(yield* refused(pv, b), a)
        yield* wantDetached(pv, b)
        yield* wantDetached(pv, a)
        yield* removeClaim("killed")
        yield* cluster.nothingLeft
      }))

    it.effect("a grant whose VolumeAttachment went before it was noted is dropped after the grace period", () =>
      Effect.gen(function*() {
        const { a, attached, b, cluster, provisioned, record, removeClaim, replica, told, wantAttached, wantDetached } =
          yield* start("stale")
        const { metadata: { name: pv }, spec } = yield* provisioned("stale")
        const attacher = yield* replica.sidecar("attacher")
        yield* attacher.kill("SIGSTOP")
        yield* wantAttached(pv, a)
        const client = yield* replica.client
        yield* client.call(Controller.method.controllerPublishVolume, {
          volumeId: spec.csi.volumeHandle,
          nodeId: a,
          volumeContext: spec.csi.volumeAttributes ?? {},
          volumeCapability: filesystem
        })
        yield* wantDetached(pv, a)
        yield* replica.driver.kill("SIGKILL")
        yield* told("stale", "StaleAttachmentCleared")
        yield* holds("it is still held", Effect.map(record(pv), (node) => node === undefined))
        yield* attacher.kill("SIGCONT")
        yield* wantAttached(pv, b)
        yield* attached(pv, b)
        yield* wantDetached(pv, b)
        yield* removeClaim("stale")
        yield* cluster.nothingLeft
      }))
  })
})
