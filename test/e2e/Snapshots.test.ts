import { NodeFileSystem } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Schedule } from "effect"
import { Controller, Node } from "../../src/csi/gen/csi_pb.ts"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import type { ControllerCalls } from "../support/ControllerCalls.ts"
import { leavingNothing } from "../support/LeavingNothing.ts"
import {
  type CreateFields,
  createRequest,
  filesystem,
  fromSnapshot,
  fromVolume,
  GiB,
  pvc
} from "../support/Requests.ts"
import { base, TestCluster } from "../support/TestCluster.ts"

const { method } = Controller

const listed = (page: Effect.Success<ReturnType<ControllerCalls["snapshots"]>>) =>
  page.entries.map(({ snapshot }) => snapshot?.snapshotId)

const btrfs = { pools: [{ ...defaultPool, fs: "btrfs", label: "Data" }] } as const

layer(TestCluster.layer(btrfs), { excludeTestServices: true })("snapshots on a pool with Btrfs", (it) => {
  it.effect("of a volume that a node uses, restored beside it, larger, and after it is gone", () =>
    leavingNothing(({ client, controller }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1))
        yield* controller.publish(pvc(1), "node-a")
        const snapshot = yield* controller.snapshot(pvc(1), "snapshot-1")
        assert.deepInclude(snapshot, { sourceVolumeId: pvc(1), sizeBytes: GiB, readyToUse: true })
        assert.isAbove(Number(snapshot.seconds), 1_600_000_000)
        assert.deepStrictEqual(yield* controller.snapshot(pvc(1), "snapshot-1"), snapshot)

        const wanted = createRequest(pvc(2), {
          ...fromSnapshot(snapshot.snapshotId),
          capacityRange: { requiredBytes: 2n * GiB }
        })
        const { volume } = yield* client.call(method.createVolume, wanted)
        assert.strictEqual(volume?.capacityBytes, 2n * GiB)
        assert.strictEqual(volume?.volumeContext["volumePath"], `${base}/${pvc(2)}/disk.img`)
        assert.deepInclude(volume?.contentSource?.type, { case: "snapshot" })
        assert.deepStrictEqual((yield* client.call(method.createVolume, wanted)).volume, volume)
        yield* controller.publish(pvc(2), "node-b")
        yield* controller.unpublish(pvc(1), "node-a")
        yield* controller.unpublish(pvc(2), "node-b")

        yield* controller.remove(pvc(1))
        yield* controller.create(pvc(3), fromSnapshot(snapshot.snapshotId))
        yield* controller.removeSnapshot(snapshot.snapshotId)
        yield* controller.removeSnapshot(snapshot.snapshotId)
        yield* Effect.forEach([pvc(2), pvc(3)], controller.remove)
      })
    ))

  it.effect("a clone has the content of its source, and a source of its own afterwards", () =>
    leavingNothing(({ client, controller }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1))
        yield* controller.publish(pvc(1), "node-a")
        const { volume } = yield* client.call(method.createVolume, createRequest(pvc(2), fromVolume(pvc(1))))
        assert.deepInclude(volume?.contentSource?.type, { case: "volume" })
        const { snapshotId } = yield* controller.snapshot(pvc(2), "of the clone")
        yield* controller.unpublish(pvc(1), "node-a")
        yield* Effect.forEach([pvc(1), pvc(2)], controller.remove)
        yield* controller.removeSnapshot(snapshotId)
      })
    ))

  it.effect("a name stands for one source and one content", () =>
    leavingNothing(({ controller }) =>
      Effect.gen(function*() {
        yield* Effect.forEach([pvc(1), pvc(2)], (name) => controller.create(name))
        const { snapshotId } = yield* controller.snapshot(pvc(1), "s")
        const other = yield* Effect.flip(controller.snapshot(pvc(2), "s"))
        assert.deepInclude(other, { code: "ALREADY_EXISTS" })
        yield* controller.create(pvc(3), fromSnapshot(snapshotId))
        for (
          const [name, change] of [[pvc(3), fromVolume(pvc(1))], [pvc(3), {}], [pvc(2), fromVolume(pvc(1))]] as const
        ) {
          const taken = yield* Effect.flip(controller.create(name, change))
          assert.strictEqual(taken.code, "ALREADY_EXISTS")
          assert.match(taken.details, /exists already, with the content of/)
        }
        yield* controller.removeSnapshot(snapshotId)
        yield* Effect.forEach([pvc(1), pvc(2), pvc(3)], controller.remove)
      })
    ))

  it.effect("a volume smaller than what it is made of is OUT_OF_RANGE, one without a size is as large", () =>
    leavingNothing(({ client, controller }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1), { capacityRange: { requiredBytes: 3n * GiB } })
        const { snapshotId } = yield* controller.snapshot(pvc(1), "s")
        const ranges = [{ requiredBytes: 2n * GiB }, { limitBytes: 2n * GiB }]
        for (const capacityRange of ranges) {
          const small = yield* Effect.flip(controller.create(pvc(2), { ...fromSnapshot(snapshotId), capacityRange }))
          assert.strictEqual(small.code, "OUT_OF_RANGE")
        }
        const sizeless = { name: pvc(2), volumeCapabilities: createRequest("").volumeCapabilities ?? [] }
        const { volume } = yield* client.call(method.createVolume, { ...sizeless, ...fromSnapshot(snapshotId) })
        assert.strictEqual(volume?.capacityBytes, 3n * GiB)
        yield* controller.removeSnapshot(snapshotId)
        yield* Effect.forEach([pvc(1), pvc(2)], controller.remove)
      })
    ))

  it.effect("ListSnapshots pages by id and takes both filters; a token outlives the snapshot that it names", () =>
    leavingNothing(({ controller }) =>
      Effect.gen(function*() {
        yield* Effect.forEach([pvc(1), pvc(2)], (name) => controller.create(name))
        const names = ["a", "b", "c", "d", "e"]
        const snapshots = yield* Effect.forEach(names, (name, i) => controller.snapshot(pvc(i === 0 ? 2 : 1), name))
        const ids = snapshots.map(({ snapshotId }) => snapshotId).sort()
        assert.deepStrictEqual(listed(yield* controller.snapshots()), ids)
        const first = yield* controller.snapshots({ maxEntries: 2 })
        assert.deepStrictEqual(listed(first), ids.slice(0, 2))
        yield* controller.removeSnapshot(ids[1] ?? "")
        const rest = yield* controller.snapshots({ startingToken: first.nextToken })
        assert.deepStrictEqual([listed(rest), rest.nextToken], [ids.slice(2), ""])

        const [only] = snapshots
        const snapshotId = only?.snapshotId ?? ""
        const left = ids.filter((id) => id !== ids[1])
        if (snapshotId !== ids[1]) {
          assert.deepStrictEqual(listed(yield* controller.snapshots({ sourceVolumeId: pvc(2) })), [snapshotId])
          assert.deepStrictEqual(listed(yield* controller.snapshots({ snapshotId })), [snapshotId])
        }
        assert.deepStrictEqual(listed(yield* controller.snapshots({ snapshotId, sourceVolumeId: pvc(1) })), [])
        assert.deepStrictEqual(listed(yield* controller.snapshots({ sourceVolumeId: pvc(9) })), [])
        yield* Effect.forEach(left, controller.removeSnapshot)
        yield* Effect.forEach([pvc(1), pvc(2)], controller.remove)
      })
    ))

  it.effect("a snapshot of the Go driver is found by its id, restored and deleted; its source is unknown", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        const id = "snap-6ba7b810-9dad-51d1-80b4-00c04fd430c8-at-6ba7b8109d"
        yield* simulator.run(
          `/disk add type=file slot=${id} file-path=${base}/${id}.img file-size=2G mount-filesystem=no`
        )
        const found = yield* controller.snapshots({ snapshotId: id })
        assert.deepInclude(found.entries[0]?.snapshot, {
          sourceVolumeId: "unknown",
          sizeBytes: 2n * GiB,
          readyToUse: true
        })
        assert.deepStrictEqual(listed(yield* controller.snapshots()), [])
        yield* controller.removeSnapshot(id)
      })
    ))

  it.effect("an XFS that is restored to a larger volume is mounted beside its source, and fills the volume", () =>
    leavingNothing(({ client, controller, directory }) =>
      Effect.gen(function*() {
        const files = yield* FileSystem.FileSystem
        const volumeCapability = {
          ...filesystem,
          accessType: { case: "mount" as const, value: { fsType: "xfs" } }
        }
        const mounted = Effect.fnUntraced(function*(name: string, change: CreateFields) {
          const stagingTargetPath = `${directory}/staging-${name}`
          const targetPath = `${directory}/pod-${name}`
          const { volumeContext, volumeId } = yield* controller.create(name, change)
          yield* controller.publish(volumeId, "node-a")
          yield* files.makeDirectory(stagingTargetPath)
          const staging = { volumeId, volumeContext, volumeCapability, stagingTargetPath }
          yield* client.call(Node.method.nodeStageVolume, staging)
          yield* client.call(Node.method.nodePublishVolume, { ...staging, targetPath })
          const { usage } = yield* client.call(Node.method.nodeGetVolumeStats, { volumeId, volumePath: targetPath })
          const end = Effect.gen(function*() {
            yield* client.call(Node.method.nodeUnpublishVolume, { volumeId, targetPath })
            yield* client.call(Node.method.nodeUnstageVolume, { volumeId, stagingTargetPath })
            yield* controller.unpublish(volumeId, "node-a")
            yield* controller.remove(volumeId)
          })
          return { file: `${targetPath}/notes`, totalBytes: usage[0]?.total, end }
        })
        const source = yield* mounted(pvc(1), {})
        yield* files.writeFileString(source.file, "at the cut")
        const { snapshotId } = yield* controller.snapshot(pvc(1), "s")
        yield* files.writeFileString(source.file, "later")
        const larger = { ...fromSnapshot(snapshotId), capacityRange: { requiredBytes: 3n * GiB } }
        const restored = yield* mounted(pvc(2), larger)
        assert.strictEqual(yield* files.readFileString(restored.file), "at the cut")
        assert.strictEqual(yield* files.readFileString(source.file), "later")
        assert.deepStrictEqual([source.totalBytes, restored.totalBytes], [GiB, 3n * GiB])
        yield* Effect.all([source.end, restored.end, controller.removeSnapshot(snapshotId)])
      }).pipe(Effect.orDie, Effect.provide(NodeFileSystem.layer))
    ))

  it.effect("cost few round trips over SSH", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        const costs = Effect.fnUntraced(function*<A, E>(call: Effect.Effect<A, E>, atMost: number, what: string) {
          yield* simulator.resetExecs
          const answer = yield* call
          const execs = (yield* simulator.execs).filter(({ line }) => !line.includes("/system/resource"))
          assert.isAtMost(execs.length, atMost, what)
          return answer
        })
        yield* costs(controller.create(pvc(1)), 1, "CreateVolume")
        const { snapshotId } = yield* costs(controller.snapshot(pvc(1), "s"), 2, "CreateSnapshot")
        yield* costs(controller.snapshot(pvc(1), "s"), 1, "CreateSnapshot again")
        yield* costs(controller.snapshots(), 1, "ListSnapshots")
        yield* costs(controller.snapshots({ snapshotId }), 1, "ListSnapshots of one")
        yield* costs(controller.create(pvc(2), fromSnapshot(snapshotId)), 3, "CreateVolume from a snapshot")
        yield* costs(controller.create(pvc(2), fromSnapshot(snapshotId)), 1, "CreateVolume from a snapshot again")
        yield* costs(controller.publish(pvc(2), "node-a"), 1, "ControllerPublishVolume")
        yield* controller.unpublish(pvc(2), "node-a")
        yield* costs(controller.removeSnapshot(snapshotId), 2, "DeleteSnapshot")
        yield* costs(controller.removeSnapshot(snapshotId), 1, "DeleteSnapshot again")
        yield* Effect.forEach([pvc(1), pvc(2)], (name) => costs(controller.remove(name), 2, "DeleteVolume"))
      })
    ))
})

const slow = { copyRate: GiB / 1000n }

layer(TestCluster.layer(slow), { excludeTestServices: true })("snapshots on a pool without Btrfs", (it) => {
  it.effect("of a volume that a node holds are refused, and so is the node while a copy runs", () =>
    leavingNothing(({ client, controller, simulator }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1))
        yield* controller.publish(pvc(1), "node-a")
        const held = yield* Effect.flip(controller.snapshot(pvc(1), "s"))
        assert.strictEqual(held.code, "FAILED_PRECONDITION")
        assert.match(held.details, /attached to node node-a.*detach it first, or use a volume on a btrfs pool/)
        yield* controller.unpublish(pvc(1), "node-a")

        const { readyToUse, snapshotId } = yield* controller.snapshot(pvc(1), "s")
        assert.isFalse(readyToUse)
        const early = yield* Effect.flip(controller.publish(pvc(1), "node-a"))
        assert.strictEqual(early.code, "ABORTED")
        assert.match(early.details, /is being copied to snapshot snap-.* \(\d+ %\).*try again later/)
        const condition = (yield* controller.get(pvc(1))).status?.volumeCondition
        assert.deepInclude(condition, { abnormal: false })
        assert.match(condition?.message ?? "", /being copied to snapshot/)
        const busy = yield* Effect.flip(controller.remove(pvc(1)))
        assert.strictEqual(busy.code, "ABORTED")
        const listing = yield* controller.snapshots()
        assert.deepStrictEqual(listing.entries.map(({ snapshot }) => snapshot?.readyToUse), [false])

        // The appliance loses power: the job is gone, and the volume is usable again.
        yield* simulator.reboot("10 millis")
        yield* Effect.retry(controller.publish(pvc(1), "node-a"), {
          schedule: Schedule.spaced("50 millis"),
          times: 200
        })
        assert.deepStrictEqual((yield* controller.snapshots()).entries, [], "a cut that was not kept is none")
        yield* controller.unpublish(pvc(1), "node-a")
        yield* controller.removeSnapshot(snapshotId)
        yield* controller.remove(pvc(1))
        assert.deepStrictEqual(yield* simulator.device.scripts, [])
        const { capabilities } = yield* client.call(method.controllerGetCapabilities, {})
        assert.isAbove(capabilities.length, 8)
      })
    ))

  it.effect("a clone that takes long is ABORTED with how far it is, until it is there or given up", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1))
        const clone = yield* Effect.flip(controller.create(pvc(2), fromVolume(pvc(1))))
        assert.strictEqual(clone.code, "ABORTED")
        assert.match(
          clone.details,
          /^volume pvc-00000002.* is being made of volume pvc-00000001.*, of which \d+ % are copied/
        )
        yield* controller.remove(pvc(2))
        yield* controller.publish(pvc(1), "node-a")
        yield* controller.unpublish(pvc(1), "node-a")
        yield* controller.remove(pvc(1))
        assert.deepStrictEqual(yield* simulator.device.scripts, [])
      })
    ))
})

layer(TestCluster.layer({ version: "7.22.1 (stable)" }), { excludeTestServices: true })(
  "snapshots before 7.23",
  (it) => {
    it.effect("without Btrfs are FAILED_PRECONDITION, and the message says what helps", () =>
      leavingNothing(({ controller }) =>
        Effect.gen(function*() {
          yield* controller.create(pvc(1))
          const refused = yield* Effect.flip(controller.snapshot(pvc(1), "s"))
          assert.strictEqual(refused.code, "FAILED_PRECONDITION")
          assert.match(
            refused.details,
            /RouterOS 7.22.1 .*use a volume on a btrfs pool, or upgrade .* to RouterOS 7.23/
          )
          yield* controller.remove(pvc(1))
        })
      ))
  }
)
