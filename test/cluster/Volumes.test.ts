import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { config } from "../install/Objects.ts"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually, holds } from "./support/Eventually.ts"
import { workloads } from "./support/Workloads.ts"

const GiB = 2 ** 30

describe.skipIf(plane === undefined)("volumes with the real sidecars", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("a claim is provisioned and bound, attached for a pod, grown while attached, detached, deleted", () =>
      Effect.gen(function*() {
        const cluster = yield* Cluster
        const { addNode, attached, detached, pod, provisioned, removeClaim, removePod } = workloads(cluster)
        yield* cluster.replica()
        yield* addNode("node-a")

        const { metadata: { name: pv }, spec } = yield* provisioned("data")
        const { disks } = yield* cluster.appliance.state
        assert.deepStrictEqual(
          disks.filter(({ nqn }) => nqn.endsWith(spec.csi.volumeHandle)).map((disk) => disk.fileSize),
          [String(GiB)]
        )
        assert.strictEqual(spec.csi.volumeAttributes?.["nvmeAddress"], config["nvme-address"])

        yield* pod("web", "node-a", "data")
        const { status } = yield* attached(pv, "node-a")
        assert.strictEqual(status?.attachmentMetadata?.["nvme_nqn"], spec.csi.volumeAttributes?.["nqn"])

        yield* cluster.raw("PATCH", `${cluster.space}/persistentvolumeclaims/data`, {
          spec: { resources: { requests: { storage: "2Gi" } } }
        })
        yield* holds(
          "the PersistentVolume has not grown",
          Effect.map(cluster.volume(pv), ({ spec }) => spec.capacity.storage === "2Gi")
        )
        const grown = yield* cluster.appliance.state
        assert.strictEqual(
          grown.disks.find(({ nqn }) => nqn.endsWith(spec.csi.volumeHandle))?.fileSize,
          String(2 * GiB)
        )
        yield* eventually(
          "the claim does not wait for the node",
          Effect.map(
            cluster.claim("data"),
            ({ status }) =>
              Option.fromNullishOr(status.conditions?.find(({ type }) => type === "FileSystemResizePending"))
          )
        )

        yield* removePod("web")
        yield* detached(pv, "node-a")
        yield* removeClaim("data")
        yield* cluster.nothingLeft
      }))

    it.effect("a volume that nothing refers to any more is told of on the leader's Lease, and stays", () =>
      Effect.gen(function*() {
        const cluster = yield* Cluster
        const { provisioned, removeClaim } = workloads(cluster)
        yield* cluster.replica(["--orphan-check-interval=1s", "--orphan-grace-period=1s"])
        // Without it the appliance might be another cluster's, for all that can be seen.
        yield* provisioned("needed")
        const { metadata: { name: pv }, spec } = yield* provisioned("forgotten")
        yield* cluster.raw("PATCH", `/api/v1/persistentvolumes/${pv}`, {
          spec: { persistentVolumeReclaimPolicy: "Retain" }
        })
        yield* removeClaim("forgotten")
        yield* cluster.raw("DELETE", `/api/v1/persistentvolumes/${pv}`)
        yield* eventually(
          "nobody was told of it",
          Effect.map(
            cluster.leaseEvents,
            (all) => Option.fromNullishOr(all.find(({ message }) => message.includes(spec.csi.volumeHandle)))
          )
        )
        const { disks } = yield* cluster.appliance.state
        assert.strictEqual(disks.length, 2)
        const id = spec.csi.volumeHandle
        yield* cluster.appliance.ask("run", {
          line: `/disk/remove [find where nvme-tcp-server-nqn~"${id}"]; /file/remove [find where name~"${id}"]`
        })
        yield* removeClaim("needed")
        yield* cluster.nothingLeft
      }))
  })
})
