import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { startOrchestrator } from "../support/Orchestrator.ts"
import { GiB, pvc } from "../support/Requests.ts"
import { nodes, type RunningDriver, startAppliance } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

const start = Effect.gen(function*() {
  const appliance = yield* startAppliance()
  return { ...appliance, ...yield* startOrchestrator(appliance, nodes) }
})

const says = ({ process }: RunningDriver, text: string) =>
  until(Effect.map(process.output, (output) => output.includes(text)))

const short = ["--leader-election-lease-duration=3s"]

layer(NodeServices.layer, { excludeTestServices: true })("controllers in a cluster", (it) => {
  it.effect(
    "two replicas, the leader killed with -9 in mid-migration: one end is told, and no third node gets in",
    () =>
      Effect.gen(function*() {
        const { attach, detach, provision, publish, startController, told } = yield* start
        const first = yield* startController("first", short)
        yield* says(first, "this replica leads")
        const second = yield* startController("second", short)
        const volume = yield* provision(first.client, pvc(1), { isShared: true })
        yield* attach(first.client, volume, "node-a")
        yield* attach(first.client, volume, "node-b")
        yield* until(Effect.sync(() => told(volume.volumeId)["MigrationStarted"] === 1))

        yield* first.process.stop("SIGKILL")
        const third = yield* Effect.all(
          Array.from({ length: 10 }, () => Effect.flip(publish(second.client, volume, "node-c"))),
          { concurrency: 10 }
        )
        for (const { code, details } of third) {
          assert.strictEqual(code, "FAILED_PRECONDITION")
          assert.match(details, /node-a.*node-b/)
        }
        yield* detach(second.client, volume, "node-a")
        yield* until(Effect.sync(() => told(volume.volumeId)["MigrationCompleted"] === 1))

        const again = yield* startController("first", short)
        yield* detach(again.client, volume, "node-b")
        yield* second.process.stop("SIGTERM")
        yield* says(again, "this replica leads")
        yield* until(Effect.sync(() => told(volume.volumeId)["VolumeDetached"] === 2))
        const { MigrationCompleted, MigrationFailed, MigrationStarted } = told(volume.volumeId)
        assert.deepStrictEqual([MigrationStarted, MigrationCompleted, MigrationFailed], [1, 1, undefined])
      }),
    60_000
  )

  it.effect("trap: what was attached is known after a restart before anything is granted; a lost record too", () =>
    Effect.gen(function*() {
      const { attach, cluster, provision, publish, startController } = yield* start
      const flags = ["--leader-election=false"]
      const first = yield* startController("first", flags)
      const volume = yield* provision(first.client, pvc(1))
      yield* attach(first.client, volume, "node-a")
      yield* first.process.stop("SIGKILL")
      cluster.annotate(volume.volumeId, {
        "rds.csi.srvlab.io/attachments": null,
        "rds.csi.srvlab.io/attached-node": null
      })

      const again = yield* startController("first", flags)
      const refused = publish(again.client, volume, "node-b").pipe(
        Effect.flip,
        Effect.repeat({ until: ({ code }) => code !== "UNAVAILABLE" })
      )
      const { code, details } = yield* refused
      assert.strictEqual(code, "FAILED_PRECONDITION")
      assert.include(details, "node-a")
      yield* publish(again.client, volume, "node-a")
    }))

  it.effect("a node that the cluster does not have is NOT_FOUND", () =>
    Effect.gen(function*() {
      const { provision, publish, startController } = yield* start
      const { client, ...rest } = yield* startController("first", ["--leader-election=false"])
      yield* says({ client, ...rest }, "volumes can be attached")
      const volume = yield* provision(client, pvc(1))
      const { code, details } = yield* Effect.flip(publish(client, volume, "node-x"))
      assert.strictEqual(code, "NOT_FOUND")
      assert.include(details, "node-x")
    }))

  it.effect(
    "an API server that is away: the process is up, everything but attaching works, and it recovers by itself",
    () =>
      Effect.gen(function*() {
        const { attach, cluster, provision, publish, startController, told } = yield* start
        cluster.partition(true)
        const { client, ...rest } = yield* startController("first", ["--leader-election=false"])
        const volume = yield* provision(client, pvc(1))
        const { code, details } = yield* Effect.flip(publish(client, volume, "node-a"))
        assert.strictEqual(code, "UNAVAILABLE")
        assert.include(details, "not known")
        yield* controllerCalls(client).expand(volume.volumeId, 2n * GiB)

        cluster.partition(false)
        yield* says({ client, ...rest }, "volumes can be attached")
        yield* attach(client, volume, "node-a")
        yield* until(Effect.sync(() => told(volume.volumeId)["VolumeAttached"] === 1))

        cluster.partition(true)
        assert.strictEqual((yield* Effect.flip(publish(client, volume, "node-b"))).code, "UNAVAILABLE")
        cluster.partition(false)
        const refused = publish(client, volume, "node-b").pipe(
          Effect.flip,
          Effect.repeat({ until: ({ code }) => code !== "UNAVAILABLE" })
        )
        assert.strictEqual((yield* refused).code, "FAILED_PRECONDITION")
        yield* until(Effect.sync(() => (told(volume.volumeId)["AttachmentConflict"] ?? 0) > 0))
      }),
    60_000
  )

  it.effect("--rwx-policy=kubevirt-only lets a virtual machine migrate, and no two pods of anything else share", () =>
    Effect.gen(function*() {
      const { attach, cluster, provision, publish, startController, told } = yield* start
      const flags = ["--leader-election=false", "--rwx-policy=kubevirt-only"]
      const driver = yield* startController("first", flags)
      yield* says(driver, "volumes can be attached")
      const plain = yield* provision(driver.client, pvc(1), { isShared: true })
      yield* attach(driver.client, plain, "node-a")
      cluster.addPod("web-1", { node: "node-a", claim: plain.volumeId })
      cluster.addPod("web-2", { node: "node-b", claim: plain.volumeId })
      const { code, details } = yield* Effect.flip(publish(driver.client, plain, "node-b"))
      assert.strictEqual(code, "FAILED_PRECONDITION")
      assert.include(details, "kubevirt-only")

      const disk = yield* provision(driver.client, pvc(2), { isShared: true })
      yield* attach(driver.client, disk, "node-a")
      for (const [pod, node] of [["virt-launcher-vm-a", "node-a"], ["virt-launcher-vm-b", "node-b"]] as const) {
        cluster.addPod(pod, {
          node,
          claim: disk.volumeId,
          labels: { "kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "vmi-1" }
        })
      }
      yield* attach(driver.client, disk, "node-b")
      assert.isUndefined(told(disk.volumeId)["UnsafeSharing"])
    }))
})
