import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Controller, VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { holdings } from "../support/Holdings.ts"
import { leavingNothing } from "../support/LeavingNothing.ts"
import { block, type CreateFields, filesystem, GiB, pvc } from "../support/Requests.ts"
import { base, TestCluster } from "../support/TestCluster.ts"

const TiB = 1n << 40n
const { method } = Controller
const reserve = GiB

/** A volume as the Go driver added it: slot = id, no comment, whole units. On this RouterOS the slot is cut to 32. */
const addedByGoDriver = (id: string, size: string) =>
  `/disk add type=file file-path=${base}/${id}.img file-size=${size} slot=${id} nvme-tcp-export=yes ` +
  `nvme-tcp-server-port=4420 nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${id}`

const sharedMount = { ...filesystem, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }
const sharedBlock = { ...block, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }

layer(TestCluster.layer(), { excludeTestServices: true })("volumes", (it) => {
  it.effect("ListVolumes pages by id; a token stays good when the volume it names is deleted meanwhile", () =>
    leavingNothing(({ controller }) =>
      Effect.gen(function*() {
        const names = [5, 1, 4, 2, 3].map(pvc)
        yield* Effect.forEach(names, (name) => controller.create(name), { concurrency: "unbounded" })
        const ids = (page: Effect.Success<ReturnType<typeof controller.list>>) =>
          page.entries.map(({ volume }) => volume?.volumeId)
        const all = yield* controller.list()
        assert.deepStrictEqual(ids(all), [1, 2, 3, 4, 5].map(pvc))
        assert.strictEqual(all.nextToken, "")

        const first = yield* controller.list({ maxEntries: 2 })
        assert.deepStrictEqual(ids(first), [1, 2].map(pvc))
        yield* controller.remove(pvc(2))
        const second = yield* controller.list({ maxEntries: 2, startingToken: first.nextToken })
        assert.deepStrictEqual(ids(second), [3, 4].map(pvc))
        const last = yield* controller.list({ maxEntries: 2, startingToken: second.nextToken })
        assert.deepStrictEqual([ids(last), last.nextToken], [[pvc(5)], ""])
        yield* Effect.forEach(names, controller.remove, { concurrency: "unbounded" })
      })
    ))

  it.effect("trap: a partial ListVolumes makes the attacher attach everything again; it is whole or an error", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        yield* Effect.forEach([1, 2], (n) => controller.create(pvc(n)))
        for (const fault of ["answer=[]", "cut=during count=all", "cut=after count=all"]) {
          yield* simulator.faults.add(`${fault} match=/disk/print`)
          const listed = yield* Effect.result(controller.list())
          yield* simulator.faults.clear
          if (listed._tag === "Failure") assert.strictEqual(listed.failure.code, "UNAVAILABLE", fault)
          else assert.lengthOf(listed.success.entries, 2, fault)
        }
        for (const slot of ["one", "two"]) {
          yield* simulator.run(
            `/disk add type=file slot=${slot} file-path=/storage-pool/${slot}.img file-size=1G ` +
              `nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${pvc(3)}`
          )
        }
        const disputed = yield* Effect.flip(controller.list())
        assert.strictEqual(disputed.code, "FAILED_PRECONDITION", "two disks claim one volume")
        assert.include(disputed.details, pvc(3))
        for (const slot of ["one", "two"]) {
          yield* simulator.run(`/disk remove ${slot}; /file remove [find where name="storage-pool/${slot}.img"]`)
        }
        yield* Effect.forEach([1, 2], (n) => controller.remove(pvc(n)))
      })
    ))

  it.effect("ListVolumes tells which nodes have each volume: both while it migrates, and none when nobody has", () =>
    leavingNothing(({ client, controller }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1), { volumeCapabilities: [sharedBlock] })
        yield* controller.create(pvc(2))
        const attached = Effect.map(
          controller.list(),
          ({ entries }) => entries.map(({ status, volume }) => [volume?.volumeId, status?.publishedNodeIds])
        )
        assert.deepStrictEqual(yield* attached, [[pvc(1), []], [pvc(2), []]])
        for (const nodeId of ["node-b", "node-a"]) {
          yield* client.call(Controller.method.controllerPublishVolume, {
            volumeId: pvc(1),
            nodeId,
            volumeCapability: sharedBlock
          })
        }
        yield* controller.publish(pvc(2), "node-c")
        assert.deepStrictEqual(yield* attached, [[pvc(1), ["node-b", "node-a"]], [pvc(2), ["node-c"]]])
        yield* controller.unpublish(pvc(1), "node-b")
        yield* controller.unpublish(pvc(2), "")
        assert.deepStrictEqual(yield* attached, [[pvc(1), ["node-a"]], [pvc(2), []]])
        yield* controller.unpublish(pvc(1), "node-a")
        yield* Effect.forEach([1, 2], (n) => controller.remove(pvc(n)))
      })
    ))

  it.effect("a volume granted for reading only says so to the node, and not to who may write", () =>
    leavingNothing(({ controller }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1))
        const { publishContext } = yield* controller.publish(pvc(1), "node-a", { readonly: true })
        assert.strictEqual(publishContext["readonly"], "true")
        assert.deepStrictEqual(
          (yield* controller.publish(pvc(1), "node-a", { readonly: true })).publishContext,
          publishContext
        )
        assert.strictEqual((yield* Effect.flip(controller.publish(pvc(1), "node-a"))).code, "ALREADY_EXISTS")
        yield* controller.unpublish(pvc(1), "node-a")
        assert.notProperty((yield* controller.publish(pvc(1), "node-a")).publishContext, "readonly")
        assert.strictEqual(
          (yield* Effect.flip(controller.publish(pvc(1), "node-a", { readonly: true }))).code,
          "ALREADY_EXISTS"
        )
        yield* controller.unpublish(pvc(1), "node-a")
        yield* controller.remove(pvc(1))
      })
    ))

  it.effect("ControllerGetVolume tells a volume that is not exported; it is not published, and CreateVolume mends it", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        const { volumeId } = yield* controller.create(pvc(1))
        assert.isFalse((yield* controller.get(volumeId)).status?.volumeCondition?.abnormal)
        const slot = (yield* simulator.device.disks)[0]?.slot
        yield* simulator.run(`/disk set ${slot} nvme-tcp-export=no`)
        const { status } = yield* controller.get(volumeId)
        assert.isTrue(status?.volumeCondition?.abnormal)
        assert.include(status?.volumeCondition?.message, "not exported")
        const refused = yield* Effect.flip(controller.publish(volumeId, "node-a"))
        assert.strictEqual(refused.code, "FAILED_PRECONDITION")
        assert.include(refused.details, volumeId)
        yield* controller.create(pvc(1))
        assert.isFalse((yield* controller.get(volumeId)).status?.volumeCondition?.abnormal)
        yield* controller.remove(volumeId)
      })
    ))

  it.effect("GetCapacity is what a new volume can have: free space of the class's pool less the reserve", () =>
    leavingNothing(({ client, controller, simulator }) =>
      Effect.gen(function*() {
        const free = (yield* simulator.device.pools)[0]?.freeBytes ?? 0n
        const reply = yield* controller.capacity({ volumePath: `${base}/fast`, "csi.storage.k8s.io/fstype": "xfs" })
        assert.strictEqual(reply.availableCapacity, free - reserve)
        assert.strictEqual(reply.maximumVolumeSize, free - reserve)
        assert.strictEqual(reply.minimumVolumeSize, GiB)
        const largest = reply.availableCapacity / (1n << 20n) * (1n << 20n)
        const { volumeId } = yield* controller.create(pvc(1), { capacityRange: { requiredBytes: largest } })
        assert.isTrue((yield* controller.capacity()).availableCapacity < 1n << 20n)
        const tooMuch = yield* Effect.flip(controller.create(pvc(2)))
        assert.strictEqual(tooMuch.code, "RESOURCE_EXHAUSTED")
        assert.include(tooMuch.details, "storage-pool")
        yield* controller.remove(volumeId)
        const nobody = yield* client.call(method.getCapacity, { volumeCapabilities: [sharedMount] })
        assert.strictEqual(nobody.availableCapacity, 0n, "capabilities that no volume can have")
        const outside = yield* Effect.flip(controller.capacity({ volumePath: "/other" }))
        assert.strictEqual(outside.code, "INVALID_ARGUMENT")
      })
    ))

  it.effect("ValidateVolumeCapabilities confirms what it checked and says why it does not confirm the rest", () =>
    leavingNothing(({ client, controller }) =>
      Effect.gen(function*() {
        const { volumeContext, volumeId } = yield* controller.create(pvc(1))
        const parameters = { volumePath: base, nvmePort: "4420" }
        const validate = (volumeCapabilities: NonNullable<CreateFields["volumeCapabilities"]>, more = {}) =>
          client.call(method.validateVolumeCapabilities, { volumeId, volumeCapabilities, ...more })
        const good = yield* validate([filesystem, block, sharedBlock], { volumeContext, parameters })
        assert.lengthOf(good.confirmed?.volumeCapabilities ?? [], 3)
        assert.deepStrictEqual(good.confirmed?.volumeContext, volumeContext)
        assert.deepStrictEqual(good.confirmed?.parameters, parameters)
        const rows = [
          [yield* validate([filesystem, sharedMount]), "volumeMode: Block"],
          [
            yield* validate([{ ...block, accessMode: { mode: Mode.MULTI_NODE_READER_ONLY } }]),
            "MULTI_NODE_READER_ONLY"
          ],
          [yield* validate([filesystem], { parameters: { colour: "red" } }), "colour"],
          [yield* validate([filesystem], { volumeContext: { nqn: "nqn.2000-02.com.mikrotik:other" } }), "nqn"]
        ] as const
        for (const [reply, says] of rows) {
          assert.isUndefined(reply.confirmed, says)
          assert.include(reply.message, says)
        }
        yield* controller.remove(volumeId)
      })
    ))

  it.effect("a name that is taken: ALREADY_EXISTS for what the volume is not, OK for what it is", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        yield* controller.create(pvc(1), { capacityRange: { requiredBytes: 2n * GiB } })
        const made = yield* holdings(simulator)
        const different: ReadonlyArray<CreateFields> = [
          { capacityRange: { requiredBytes: 3n * GiB } },
          { capacityRange: { limitBytes: GiB } },
          { capacityRange: { requiredBytes: 2n * GiB }, parameters: { volumePath: `${base}/fast` } },
          { capacityRange: { requiredBytes: 2n * GiB }, parameters: { nvmePort: "4421" } }
        ]
        for (const change of different) {
          const refused = yield* Effect.flip(controller.create(pvc(1), change))
          assert.strictEqual(refused.code, "ALREADY_EXISTS", refused.message)
          assert.include(refused.details, pvc(1))
        }
        const same: ReadonlyArray<CreateFields> = [
          { capacityRange: { requiredBytes: 2n * GiB, limitBytes: 2n * GiB } },
          { capacityRange: { requiredBytes: GiB } },
          { volumeCapabilities: [block] },
          { parameters: { ctrlLossTmo: "60" } }
        ]
        for (const change of same) {
          assert.strictEqual((yield* controller.create(pvc(1), change)).capacityBytes, 2n * GiB)
        }
        assert.deepStrictEqual(yield* holdings(simulator), made)
        yield* controller.remove(pvc(1))
      })
    ))

  it.effect("a volume that the Go driver made is listed, used, grown and deleted like any other", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        yield* simulator.run(addedByGoDriver(pvc(1), "2G"))
        const [entry] = (yield* controller.list()).entries
        assert.deepInclude(entry?.volume, { volumeId: pvc(1), capacityBytes: 2n * GiB })
        assert.strictEqual(
          (yield* controller.create(pvc(1), { capacityRange: { requiredBytes: 2n * GiB } })).volumeId,
          pvc(1)
        )
        const { publishContext } = yield* controller.publish(pvc(1), "node-a")
        assert.strictEqual(publishContext["nvme_nqn"], `nqn.2000-02.com.mikrotik:${pvc(1)}`)
        assert.strictEqual((yield* controller.expand(pvc(1), 3n * GiB)).capacityBytes, 3n * GiB)
        yield* controller.unpublish(pvc(1), "node-a")
        yield* controller.remove(pvc(1))
      })
    ))

  it.effect("trap: sizes rounded down to whole units; CreateVolume and ControllerExpandVolume bring them to what was asked", () =>
    leavingNothing(({ controller, simulator }) =>
      Effect.gen(function*() {
        const asked = { capacityRange: { requiredBytes: 1500n * GiB } }
        yield* Effect.forEach([1, 2], (n) => simulator.run(addedByGoDriver(pvc(n), "1T")))
        assert.strictEqual((yield* controller.get(pvc(1))).volume?.capacityBytes, TiB)
        const misplaced = yield* Effect.flip(
          controller.create(pvc(1), { ...asked, parameters: { volumePath: `${base}/fast` } })
        )
        assert.strictEqual(misplaced.code, "ALREADY_EXISTS")
        assert.strictEqual(
          (yield* controller.get(pvc(1))).volume?.capacityBytes,
          TiB,
          "a volume that is not meant is not grown"
        )
        assert.strictEqual((yield* controller.create(pvc(1), asked)).capacityBytes, 1500n * GiB)
        assert.strictEqual((yield* controller.expand(pvc(2), 1500n * GiB)).capacityBytes, 1500n * GiB)
        const sizes = (yield* simulator.device.disks).map(({ fileSize }) => fileSize)
        assert.deepStrictEqual(sizes, [1500n * GiB, 1500n * GiB])
        yield* Effect.forEach([1, 2], (n) => controller.remove(pvc(n)))
      })
    ))

  it.effect("expanding never shrinks, is exact, and refuses what the limit or the pool does not allow", () =>
    leavingNothing(({ controller }) =>
      Effect.gen(function*() {
        const { volumeId } = yield* controller.create(pvc(1), { capacityRange: { requiredBytes: 2n * GiB } })
        assert.strictEqual((yield* controller.expand(volumeId, GiB)).capacityBytes, 2n * GiB)
        const shrink = yield* Effect.flip(controller.expand(volumeId, GiB, GiB))
        assert.strictEqual(shrink.code, "OUT_OF_RANGE")
        const huge = yield* Effect.flip(controller.expand(volumeId, 16n * TiB))
        assert.strictEqual(huge.code, "RESOURCE_EXHAUSTED")
        const odd = 2n * GiB + 12_345n
        assert.strictEqual((yield* controller.expand(volumeId, odd, odd)).capacityBytes, odd)
        yield* controller.remove(volumeId)
      })
    ))
})
