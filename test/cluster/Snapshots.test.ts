import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually } from "./support/Eventually.ts"
import { startSnapshotController } from "./support/Replica.ts"
import { workloads } from "./support/Workloads.ts"

const group = "snapshot.storage.k8s.io"

const Snapshot = Schema.Struct({
  status: Schema.optionalKey(Schema.Struct({
    readyToUse: Schema.optionalKey(Schema.Boolean),
    restoreSize: Schema.optionalKey(Schema.String),
    error: Schema.optionalKey(Schema.Unknown)
  }))
})

/** A Btrfs pool, where the volume may be in use, and another. */
const pools = [
  { fs: "btrfs", inUse: true, flags: ["--pool=slot=storage-pool,size=1T,fs=btrfs"] },
  { fs: "xfs", inUse: false, flags: [] }
]

const start = Effect.fnUntraced(function*(node: string) {
  const cluster = yield* Cluster
  const work = workloads(cluster)
  yield* startSnapshotController(cluster.plane)
  yield* cluster.replica()
  yield* work.addNode(node)
  const snapshots = `/apis/${group}/v1/namespaces/${cluster.namespace}/volumesnapshots`
  const content = (nqn: string) => Effect.map(cluster.appliance.ask("export", { nqn }), ({ content }) => content)
  return {
    ...work,
    cluster,
    content,
    snapshots,
    write: (nqn: string, content: string) => cluster.appliance.ask("write", { nqn, content }),
    snapshot: Effect.fnUntraced(function*(name: string, claim: string) {
      yield* cluster.raw("POST", snapshots, {
        apiVersion: `${group}/v1`,
        kind: "VolumeSnapshot",
        metadata: { name },
        spec: { volumeSnapshotClassName: "rds-csi-snapclass", source: { persistentVolumeClaimName: claim } }
      })
      return yield* eventually(
        `snapshot ${name} is not ready`,
        Effect.map(
          cluster.read(Snapshot, `${snapshots}/${name}`),
          ({ status }) => status?.readyToUse === true ? Option.some(status) : { instead: status }
        )
      )
    })
  }
})

describe.skipIf(plane === undefined)("snapshots with the real snapshotter", () => {
  for (const { flags, fs, inUse } of pools) {
    layer(Cluster.layer(flags), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
      it.effect(`${fs}: a snapshot is cut, restored into a larger claim beside its source, cloned, and all is deleted`, () =>
        Effect.gen(function*() {
          const node = `snapshots-${fs}`
          const {
            attached,
            cluster,
            content,
            provisioned,
            removeClaim,
            snapshot,
            snapshots,
            wantAttached,
            wantDetached,
            write
          } = yield* start(node)
          const source = yield* provisioned("data")
          const nqn = source.spec.csi.volumeAttributes?.["nqn"] ?? ""
          const pv = source.metadata.name
          if (inUse) yield* Effect.andThen(wantAttached(pv, node), attached(pv, node))
          yield* write(nqn, "as it was")
          assert.strictEqual((yield* snapshot("before", "data")).restoreSize, "1Gi")
          yield* write(nqn, "later")

          const restored = yield* provisioned("again", {
            storage: "2Gi",
            dataSource: { apiGroup: group, kind: "VolumeSnapshot", name: "before" }
          })
          const cloned = yield* provisioned("twin", { dataSource: { kind: "PersistentVolumeClaim", name: "data" } })
          assert.strictEqual(yield* content(restored.spec.csi.volumeAttributes?.["nqn"] ?? ""), "as it was")
          assert.strictEqual(yield* content(cloned.spec.csi.volumeAttributes?.["nqn"] ?? ""), "later")

          if (inUse) yield* wantDetached(pv, node)
          yield* cluster.raw("DELETE", `${snapshots}/before`)
          yield* Effect.forEach(["data", "again", "twin"], removeClaim)
          yield* cluster.nothingLeft
        }))
    })
  }
})
