import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import { attachmentName } from "../support/kubernetes/Cluster.ts"
import { base } from "../support/TestCluster.ts"
import { attachmentsPath, Cluster, driverName, plane } from "./support/Cluster.ts"
import { eventually } from "./support/Eventually.ts"
import { workloads } from "./support/Workloads.ts"

const finalizer = "external-attacher/rds-csi-srvlab-io"
const wasAttachedAt = "2025-01-02T03:04:05.678901Z"

interface LeftVolume {
  readonly claim: string
  readonly nodes: ReadonlyArray<string>
  readonly shared?: boolean
}

/** What the Go driver, its sidecars and the attach-detach controller have made, while none of them runs any more. */
const leave = Effect.fnUntraced(function*(cluster: Cluster["Service"], { claim, nodes, shared = false }: LeftVolume) {
  const { appliance, namespace, raw, space } = cluster
  const { claimed } = workloads(cluster)
  const id = `pvc-${randomUUID()}`
  const nqn = `nqn.2000-02.com.mikrotik:${id}`
  const accessMode = shared ? "ReadWriteMany" : "ReadWriteOnce"
  const volumeMode = shared ? "Block" : "Filesystem"
  yield* appliance.ask("run", {
    line: `/disk add type=file file-path=${base}/${id}.img file-size=1G slot=${id} nvme-tcp-export=yes ` +
      `nvme-tcp-server-port=4420 nvme-tcp-server-nqn=${nqn}`
  })
  yield* raw("POST", "/api/v1/persistentvolumes", {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: id,
      finalizers: ["kubernetes.io/pv-protection", ...(nodes.length > 0 ? [finalizer] : [])],
      annotations: {
        "pv.kubernetes.io/provisioned-by": driverName,
        ...(nodes[0] === undefined ? {} : {
          "rds.csi.srvlab.io/attached-node": nodes[0],
          "rds.csi.srvlab.io/attached-at": wasAttachedAt
        })
      }
    },
    spec: {
      accessModes: [accessMode],
      volumeMode,
      capacity: { storage: "1Gi" },
      persistentVolumeReclaimPolicy: "Delete",
      storageClassName: shared ? "rds-nvme-rwx" : "rds-nvme",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: claim },
      csi: {
        driver: driverName,
        volumeHandle: id,
        ...(shared ? {} : { fsType: "ext4" }),
        // An old one: without nvmeAddress, and without any of the keys for tuning.
        volumeAttributes: {
          rdsAddress: "10.0.1.1",
          nvmePort: "4420",
          nqn,
          volumePath: `${base}/${id}.img`,
          "storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-8081-rds.csi.srvlab.io"
        }
      }
    }
  })
  yield* claimed(claim, { accessMode, volumeMode })
  yield* Effect.forEach(nodes, (node) => leaveAttached(cluster, id, node), { discard: true })
  yield* Effect.forEach(nodes, (node) => workloads(cluster).pod(`${claim}-${node}`, node, claim, { volumeMode }), {
    discard: true
  })
  return { id, space }
})

const leaveAttached = Effect.fnUntraced(function*({ raw }: Cluster["Service"], id: string, node: string) {
  const name = attachmentName(id, node)
  yield* raw("POST", attachmentsPath, {
    apiVersion: "storage.k8s.io/v1",
    kind: "VolumeAttachment",
    metadata: { name, finalizers: [finalizer], annotations: { "csi.alpha.kubernetes.io/node-id": node } },
    spec: { attacher: driverName, nodeName: node, source: { persistentVolumeName: id } }
  })
  yield* raw("PATCH", `${attachmentsPath}/${name}/status`, {
    status: {
      attached: true,
      attachmentMetadata: {
        nvme_address: "10.0.1.1",
        nvme_port: "4420",
        nvme_nqn: `nqn.2000-02.com.mikrotik:${id}`,
        fs_type: "ext4"
      }
    }
  })
})

describe.skipIf(plane === undefined)("a cluster of the Go driver", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("is taken over: nothing is detached, everything is fenced, and volumes end as any other", () =>
      Effect.gen(function*() {
        const cluster = yield* Cluster
        const { addNode, attached, bound, detached, refused, removeClaim, removePod, wantAttached, wantDetached } =
          workloads(cluster)
        for (const node of ["go-a", "go-b", "go-c"]) yield* addNode(node)
        const held = yield* leave(cluster, { claim: "held", nodes: ["go-a"] })
        const moving = yield* leave(cluster, { claim: "moving", nodes: ["go-a", "go-b"], shared: true })
        const free = yield* leave(cluster, { claim: "free", nodes: [] })
        for (const claim of ["held", "moving", "free"]) yield* bound(claim)
        const identities = Effect.map(
          cluster.attachments,
          (all) =>
            all.map((
              { metadata, spec, status }
            ) => [metadata.uid, spec.nodeName, status?.attached, metadata.deletionTimestamp ?? "stays"].join())
              .toSorted()
        )
        const before = yield* identities

        yield* cluster.replica()
        const adopted = (claim: string, times: number) =>
          eventually(
            `${claim} was not adopted`,
            Effect.map(cluster.eventsOf(claim), (events) => {
              const found = events.filter(({ reason }) => reason === "AttachmentAdopted")
              return found.length === times ? Option.some(found) : { instead: events.map(({ reason }) => reason) }
            })
          )
        yield* adopted("held", 1)
        yield* adopted("moving", 2)
        yield* wantAttached(held.id, "go-c")
        assert.include(yield* refused(held.id, "go-c"), "go-a")
        yield* wantAttached(moving.id, "go-c")
        assert.include(yield* refused(moving.id, "go-c"), "go-b")
        for (const { id } of [held, moving]) yield* Effect.andThen(wantDetached(id, "go-c"), detached(id, "go-c"))
        assert.deepStrictEqual(yield* identities, before)

        yield* wantAttached(free.id, "go-c")
        yield* attached(free.id, "go-c")
        yield* wantDetached(free.id, "go-c")
        for (const pod of ["held-go-a", "moving-go-a", "moving-go-b"]) yield* removePod(pod)
        for (const claim of ["held", "moving", "free"]) yield* removeClaim(claim)
        yield* cluster.nothingLeft
      }))
  })
})
