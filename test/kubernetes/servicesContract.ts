import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Option, Predicate, type Schema, Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { AttachmentEvents } from "../../src/attachment/AttachmentEvents.ts"
import { AttachmentStore } from "../../src/attachment/AttachmentStore.ts"
import type { MigrationEnded } from "../../src/attachment/Facts.ts"
import { Leadership } from "../../src/attachment/Leadership.ts"
import { NodeRegistry } from "../../src/attachment/NodeRegistry.ts"
import { SharingGuard } from "../../src/attachment/SharingGuard.ts"
import { ClusterNodes } from "../../src/kubernetes/ClusterNodes.ts"
import { ClusterView } from "../../src/kubernetes/ClusterView.ts"
import { EventRecorder } from "../../src/kubernetes/EventRecorder.ts"
import { KubeApi } from "../../src/kubernetes/KubeApi.ts"
import { kubernetesAttachmentStore } from "../../src/kubernetes/KubernetesAttachmentStore.ts"
import { kubernetesEvents } from "../../src/kubernetes/KubernetesEvents.ts"
import { kubernetesNodeRegistry } from "../../src/kubernetes/KubernetesNodeRegistry.ts"
import { kubernetesSharingGuard } from "../../src/kubernetes/KubernetesSharingGuard.ts"
import { leaderLease, leaseTimes } from "../../src/kubernetes/LeaderLease.ts"
import { leases, persistentVolumes } from "../../src/kubernetes/Resources.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { apiLayer } from "../support/kubernetes/Harness.ts"
import { makeRawApi } from "../support/kubernetes/RawApi.ts"
import { stateOf } from "../support/kubernetes/States.ts"
import { until } from "../support/Until.ts"

/** A driver of its own, so that nothing else in the cluster is touched. */
const driver = `contract-${randomUUID()}.example`
const namespace = "default"
const volumesPath = "/api/v1/persistentvolumes"
const attachmentsPath = "/apis/storage.k8s.io/v1/volumeattachments"
const podsPath = `/api/v1/namespaces/${namespace}/pods`

const services = Layer.mergeAll(
  kubernetesAttachmentStore,
  kubernetesEvents,
  kubernetesNodeRegistry,
  kubernetesSharingGuard("kubevirt-only")
).pipe(
  Layer.provideMerge(EventRecorder.layer),
  Layer.provide(ClusterNodes.layer),
  Layer.provideMerge(ClusterView.layer(driver))
)

/** What the driver's services do with a real API server; see `kubernetesContract`. */
export const servicesContract = (subject: Effect.Effect<string, unknown, Scope.Scope>) => {
  const start = Effect.gen(function*() {
    const kubeconfig = yield* subject
    const context = yield* Layer.build(Layer.provideMerge(Layer.fresh(services), apiLayer(kubeconfig)))
    const raw = yield* makeRawApi(kubeconfig)
    const volumeId = VolumeId.fromName(`pvc-${randomUUID()}`)
    /** Makes an object that is deleted again in the end. */
    const make = Effect.fnUntraced(function*(collection: string, name: string, object: Schema.JsonObject) {
      yield* raw("POST", collection, object)
      yield* Effect.addFinalizer(() => Effect.ignore(raw("DELETE", `${collection}/${name}?gracePeriodSeconds=0`)))
    })
    const name = `static-${volumeId}`
    const path = `${volumesPath}/${name}`
    /** Kubernetes' volume controller, where there is one, has written to a new volume when it is no longer pending. */
    const isSeenToByController = Effect.map(
      raw("GET", path),
      ({ status }) => !Predicate.hasProperty(status, "phase") || status.phase !== "Pending"
    )
    return {
      api: Context.get(context, KubeApi),
      context,
      create: Effect.andThen(
        make(volumesPath, name, {
          apiVersion: "v1",
          kind: "PersistentVolume",
          metadata: { name },
          spec: {
            accessModes: ["ReadWriteMany"],
            capacity: { storage: "1Gi" },
            volumeMode: "Block",
            persistentVolumeReclaimPolicy: "Retain",
            claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name },
            csi: { driver, volumeHandle: volumeId, volumeAttributes: { migrationTimeoutSeconds: "120" } }
          }
        }),
        until(isSeenToByController)
      ),
      kubeconfig,
      make,
      name,
      path,
      raw,
      store: Context.get(context, AttachmentStore),
      volumeId
    }
  })

  it.live("the record of a static PersistentVolume that appears later: written once per version, and told to others", () =>
    Effect.gen(function*() {
      const { api, create, store, volumeId } = yield* start
      const told = yield* store.changes.pipe(
        Stream.filter((change) => change._tag === "Record" && change.volumeId === volumeId),
        Stream.runHead,
        Effect.forkScoped
      )
      assert.isTrue(Option.isNone(yield* store.read(volumeId)))
      yield* create
      const before = Option.getOrThrow(yield* store.read(volumeId))
      assert.strictEqual(before._tag, "Unrecorded")
      const version = yield* store.write(volumeId, before.version, stateOf(1, "worker-1"))
      assert.deepStrictEqual(Option.getOrThrow(yield* store.read(volumeId)), {
        _tag: "Recorded",
        version,
        state: stateOf(1, "worker-1")
      })
      assert.strictEqual(
        (yield* Effect.flip(store.write(volumeId, before.version, stateOf(2, "worker-1"))))._tag,
        "StoreConflict"
      )
      yield* Fiber.join(told)
      const { metadata } = yield* api.get(persistentVolumes, { name: `static-${volumeId}` })
      assert.deepInclude(metadata.annotations, {
        "rds.csi.srvlab.io/attached-node": "worker-1",
        "rds.csi.srvlab.io/attached-at": "2025-01-02T03:04:05.678000Z"
      })
      yield* until(Effect.map(store.list, (all) => all.some(({ record }) => record.version === version)))
    }))

  it.live("an annotation edited into nonsense is no empty record", () =>
    Effect.gen(function*() {
      const { create, path, raw, store, volumeId } = yield* start
      yield* create
      yield* raw("PATCH", path, { metadata: { annotations: { "rds.csi.srvlab.io/attachments": "{}" } } })
      const record = Option.getOrThrow(yield* store.read(volumeId))
      assert.strictEqual(record._tag, "Unreadable")
      assert.strictEqual(
        (yield* Effect.flip(
          store.write(volumeId, record.version, stateOf(1, "worker-1")).pipe(
            Effect.andThen(store.write(volumeId, record.version, stateOf(2, "worker-1")))
          )
        ))._tag,
        "StoreConflict"
      )
    }))

  it.live("VolumeAttachments as the orchestrator knows them now", () =>
    Effect.gen(function*() {
      const { create, raw, store, volumeId } = yield* start
      yield* create
      const name = `contract-${randomUUID()}`
      yield* Effect.addFinalizer(() => Effect.ignore(raw("DELETE", `${attachmentsPath}/${name}`)))
      yield* raw("POST", attachmentsPath, {
        apiVersion: "storage.k8s.io/v1",
        kind: "VolumeAttachment",
        metadata: { name, finalizers: ["example.com/contract"] },
        spec: { attacher: driver, nodeName: "worker-1", source: { persistentVolumeName: `static-${volumeId}` } }
      })
      const mine = Effect.map(
        store.attachments,
        (all) => all.filter((one) => one.volumeId === volumeId).map(({ createdAt: _, ...one }) => one)
      )
      const wanted = {
        volumeId,
        nodeId: "worker-1",
        accessMode: "MULTI_NODE_MULTI_WRITER" as const,
        readonly: false,
        migrationTimeoutSeconds: 120
      }
      assert.deepStrictEqual(yield* mine, [{ ...wanted, attached: false, deleting: false }])
      yield* raw("PATCH", `${attachmentsPath}/${name}/status`, { status: { attached: true } })
      assert.deepStrictEqual(yield* mine, [{ ...wanted, attached: true, deleting: false }])
      yield* raw("DELETE", `${attachmentsPath}/${name}`)
      assert.deepStrictEqual(yield* mine, [{ ...wanted, attached: true, deleting: true }])
      yield* raw("PATCH", `${attachmentsPath}/${name}`, { metadata: { finalizers: null } })
      assert.deepStrictEqual(yield* mine, [])
    }))

  it.live("an event is posted once for all replicas, and what is said again is counted", () =>
    Effect.gen(function*() {
      const { api, context, create, name, raw, volumeId } = yield* start
      yield* create
      const { volumes } = Context.get(context, ClusterView)
      yield* until(Effect.sync(() => volumes.objects.get(name) !== undefined))
      const events = Context.get(context, AttachmentEvents)
      const ended: MigrationEnded = {
        _tag: "MigrationEnded",
        volumeId,
        end: { number: 1, source: "a", target: "b", startedAt: 0, endedAt: 30_000, result: "completed" }
      }
      yield* Effect.all([events.tell(ended), events.tell(ended)], { concurrency: 2 })
      for (let i = 0; i < 3; i++) {
        yield* events.publish({ _tag: "Attached", volumeId, nodeId: "worker-1" })
        yield* Effect.yieldNow
      }
      const query = `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.name%3D${name}`
      const counts = Effect.map(raw("GET", query), (list) =>
        JSON.stringify(list["items"]).match(/"count":\d+/g)?.toSorted() ?? [])
      yield* until(Effect.map(counts, (all) =>
        all.join() === "\"count\":1,\"count\":3"))
      assert.isTrue(Option.isSome(api.namespace))
    }))

  it.live("a Lease is taken, and given back at the end", () =>
    Effect.gen(function*() {
      const { api, context, raw } = yield* start
      const name = `contract-${randomUUID()}`
      yield* Effect.addFinalizer(() =>
        Effect.ignore(raw("DELETE", `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`))
      )
      const lease = leaderLease({
        ...leaseTimes(Duration.seconds(15)),
        name,
        namespace: Option.some(namespace),
        identity: "replica-1"
      })
      const scope = yield* Scope.make()
      const leading = yield* Layer.build(Layer.provide(lease, Layer.succeedContext(context))).pipe(Scope.provide(scope))
      const { changes } = Context.get(leading, Leadership)
      yield* changes.pipe(Stream.takeUntil((leads) => leads), Stream.runDrain)
      const held = yield* api.get(leases, { name, namespace })
      assert.deepInclude(held.spec, { holderIdentity: "replica-1", leaseDurationSeconds: 15, leaseTransitions: 0 })
      yield* Scope.close(scope, Exit.void)
      const released = yield* api.get(leases, { name, namespace })
      assert.strictEqual(released.spec?.holderIdentity ?? "", "")
    }).pipe(capturedLogs().run))

  it.live("a node is known by the id under which the driver registered, and by its name", () =>
    Effect.gen(function*() {
      const { context, make, store } = yield* start
      const { exists } = Context.get(context, NodeRegistry)
      const name = `contract-${randomUUID()}`
      assert.isFalse(yield* exists(name))
      yield* make("/api/v1/nodes", name, { apiVersion: "v1", kind: "Node", metadata: { name } })
      assert.isTrue(yield* exists(name))
      assert.isFalse(yield* exists(`id-of-${name}`))
      yield* make("/apis/storage.k8s.io/v1/csinodes", name, {
        apiVersion: "storage.k8s.io/v1",
        kind: "CSINode",
        metadata: { name },
        spec: { drivers: [{ name: driver, nodeID: `id-of-${name}`, topologyKeys: [] }] }
      })
      assert.isTrue(yield* exists(`id-of-${name}`))
      const { csiNodes } = Context.get(context, ClusterView)
      yield* until(Effect.sync(() => csiNodes.objects.having(`id-of-${name}`).length === 1))
      assert.isTrue(yield* store.nodeExists(`id-of-${name}`))
      assert.isFalse(yield* store.nodeExists(`another-${name}`))
    }))

  it.live("the pods of a virtual machine that moves are found on both nodes", () =>
    Effect.gen(function*() {
      const { context, create, make, name, volumeId } = yield* start
      const guard = Context.get(context, SharingGuard)
      const [first, second] = [`contract-a-${randomUUID()}`, `contract-b-${randomUUID()}`]
      yield* create
      assert.strictEqual((yield* Effect.flip(guard.check(volumeId, first, second)))._tag, "AttachmentConflict")
      for (const nodeName of [first, second]) {
        yield* make(podsPath, nodeName, {
          apiVersion: "v1",
          kind: "Pod",
          metadata: {
            name: nodeName,
            namespace,
            labels: { "kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "vm-1" }
          },
          spec: {
            nodeName,
            containers: [{ name: "compute", image: "example.com/none" }],
            volumes: [{ name: "disk", persistentVolumeClaim: { claimName: name } }]
          }
        })
      }
      yield* guard.check(volumeId, first, second)
    }))
}
