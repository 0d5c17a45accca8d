import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { Controller, Node, VolumeUsage_Unit as Unit } from "../../src/csi/gen/csi_pb.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import type { RpcFailure } from "../support/GrpcClient.ts"
import { holdings } from "../support/Holdings.ts"
import { block, filesystem, GiB, pvc } from "../support/Requests.ts"
import { base, nodes, TestCluster } from "../support/TestCluster.ts"

const [nodeId, otherNode] = nodes
const { method } = Node
const marker = "hello"

/** Calls twice, as callers do that lost the first answer; both answers must be the same. */
const twice = Effect.fnUntraced(function*<A, E, R>(call: Effect.Effect<A, E, R>) {
  const first = yield* call
  assert.deepStrictEqual(yield* call, first)
  return first
})

/** A volume's paths on the node, as kubelet prepares them. */
const kubeletPaths = Effect.fnUntraced(function*(kind: string) {
  const { directory } = yield* TestCluster
  const files = yield* FileSystem.FileSystem
  const stagingTargetPath = `${directory}/${kind}/globalmount`
  yield* files.makeDirectory(stagingTargetPath, { recursive: true })
  yield* files.makeDirectory(`${directory}/${kind}/pod`)
  return { stagingTargetPath, targetPath: `${directory}/${kind}/pod/mount` }
})

const diskOf = Effect.fnUntraced(function*(volumeId: string) {
  const { simulator } = yield* TestCluster
  return (yield* simulator.device.disks).find(({ nqn }) => nqn === `nqn.2000-02.com.mikrotik:${volumeId}`)
})

interface Kind {
  readonly title: string
  readonly name: string
  readonly volumeCapability: typeof filesystem | typeof block
  /** What a pod finds at the target. */
  readonly use: (paths: { stagingTargetPath: string; targetPath: string }) => Effect.Effect<
    void,
    unknown,
    FileSystem.FileSystem
  >
  /** What NodeGetVolumeStats may say about a volume of that size. */
  readonly usage: (usage: ReadonlyArray<{ unit: Unit; total: bigint }>, sizeBytes: bigint) => void
}

const kinds: ReadonlyArray<Kind> = [
  {
    title: "a file system volume",
    name: pvc(1),
    volumeCapability: filesystem,
    use: Effect.fnUntraced(function*({ stagingTargetPath, targetPath }) {
      const files = yield* FileSystem.FileSystem
      yield* files.writeFileString(`${targetPath}/${marker}`, marker)
      assert.strictEqual(yield* files.readFileString(`${stagingTargetPath}/${marker}`), marker)
    }),
    usage: (usage, sizeBytes) => {
      assert.deepStrictEqual(usage.map(({ unit }) => unit), [Unit.BYTES, Unit.INODES])
      const total = usage[0]?.total ?? 0n
      assert.isTrue(total > sizeBytes * 9n / 10n && total <= sizeBytes, `${total} of ${sizeBytes} bytes`)
    }
  },
  {
    title: "a block volume",
    name: pvc(2),
    volumeCapability: block,
    use: Effect.fnUntraced(function*({ targetPath }) {
      const files = yield* FileSystem.FileSystem
      assert.match(yield* files.readFileString(targetPath), /^block 259:\d+ rw\n$/, "trap: mknod, not a bind mount")
    }),
    usage: (usage, total) => {
      assert.deepInclude(usage[0], { unit: Unit.BYTES, total })
      assert.lengthOf(usage, 1)
    }
  }
]

const live = Effect.fnUntraced(function*({ name, use, usage, volumeCapability }: Kind) {
  const { client, directory, simulator } = yield* TestCluster
  const files = yield* FileSystem.FileSystem
  const controller = controllerCalls(client)
  const paths = yield* kubeletPaths(name)
  const { stagingTargetPath, targetPath } = paths
  const before = yield* holdings(simulator)

  const { capacityBytes, volumeContext, volumeId } = yield* twice(
    controller.create(name, { capacityRange: { requiredBytes: 3n * GiB }, volumeCapabilities: [volumeCapability] })
  )
  assert.strictEqual(capacityBytes, 3n * GiB)
  assert.deepInclude(yield* diskOf(volumeId), {
    slot: VolumeId.slot(VolumeId.fromName(name)),
    filePath: `${base}/${volumeId}.img`,
    fileSize: 3n * GiB,
    exported: true,
    mountFilesystem: false
  })

  const publication = { volumeId, nodeId, volumeCapability }
  const { publishContext } = yield* twice(client.call(Controller.method.controllerPublishVolume, publication))
  assert.deepInclude(publishContext, { nvme_nqn: `nqn.2000-02.com.mikrotik:${volumeId}`, nvme_port: "4420" })
  assert.deepStrictEqual((yield* controller.get(volumeId)).status?.publishedNodeIds, [nodeId])

  const staging = { volumeId, stagingTargetPath, volumeCapability, volumeContext, publishContext }
  yield* twice(client.call(method.nodeStageVolume, staging))
  yield* twice(client.call(method.nodePublishVolume, { ...staging, targetPath }))
  yield* use(paths)
  const stats = yield* client.call(method.nodeGetVolumeStats, { volumeId, volumePath: targetPath })
  usage(stats.usage, 3n * GiB)
  assert.isFalse(stats.volumeCondition?.abnormal)

  const refused = yield* Effect.flip(controller.remove(volumeId))
  assert.strictEqual(refused.code, "FAILED_PRECONDITION")
  assert.include(refused.details, nodeId)

  const grown = yield* twice(controller.expand(volumeId, 5n * GiB))
  assert.deepInclude(grown, { capacityBytes: 5n * GiB, nodeExpansionRequired: true })
  const seen = yield* twice(client.call(method.nodeExpandVolume, {
    volumeId,
    volumePath: targetPath,
    capacityRange: { requiredBytes: 5n * GiB }
  }))
  assert.strictEqual(seen.capacityBytes, 5n * GiB)
  usage((yield* client.call(method.nodeGetVolumeStats, { volumeId, volumePath: targetPath })).usage, 5n * GiB)
  yield* use(paths)

  yield* twice(client.call(method.nodeUnpublishVolume, { volumeId, targetPath }))
  assert.isFalse(yield* files.exists(targetPath), "the target is gone")
  const gone = yield* Effect.flip(client.call(method.nodeGetVolumeStats, { volumeId, volumePath: targetPath }))
  assert.strictEqual(gone.code, "NOT_FOUND")
  yield* twice(client.call(method.nodeUnstageVolume, { volumeId, stagingTargetPath }))
  assert.deepStrictEqual(yield* files.readDirectory(stagingTargetPath), [], "nothing is mounted there any more")
  const state = yield* files.readDirectory(`${directory}/state`, { recursive: true })
  assert.isFalse(state.some((name) => name.includes(volumeId)), "no record is left")

  yield* twice(controller.unpublish(volumeId, nodeId))
  yield* twice(controller.remove(volumeId))
  assert.strictEqual((yield* Effect.flip(controller.get(volumeId))).code, "NOT_FOUND")
  assert.deepStrictEqual(yield* holdings(simulator), before, "nothing is left on the appliance")
})

layer(TestCluster.layer(), { excludeTestServices: true })("a volume's life", (it) => {
  for (const kind of kinds) {
    it.effect(`${kind.title}: from the claim to nothing, every call made twice`, () => live(kind))
  }

  it.effect("a second node is refused with the holder's name until the first has let go", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const controller = controllerCalls(client)
      const { volumeId } = yield* controller.create(pvc(3))
      yield* controller.publish(volumeId, nodeId)
      const second = yield* Effect.flip(controller.publish(volumeId, otherNode))
      assert.strictEqual(second.code, "FAILED_PRECONDITION")
      assert.include(second.details, nodeId)
      const otherwise = yield* Effect.flip(controller.publish(volumeId, nodeId, { readonly: true }))
      assert.strictEqual(otherwise.code, "ALREADY_EXISTS")

      yield* controller.unpublish(volumeId, otherNode)
      assert.deepStrictEqual((yield* controller.get(volumeId)).status?.publishedNodeIds, [nodeId], "not its holder")
      yield* controller.unpublish(volumeId, nodeId)
      yield* controller.publish(volumeId, otherNode)
      yield* controller.unpublish(volumeId, "")
      assert.deepStrictEqual((yield* controller.get(volumeId)).status?.publishedNodeIds, [], "no node id means all")
      yield* controller.remove(volumeId)
    }))

  it.effect("a node plugin that is asked about volumes it does not have answers as the specification says", () =>
    Effect.gen(function*() {
      const { client, directory } = yield* TestCluster
      const volumeId = pvc(4)
      const paths = { stagingTargetPath: `${directory}/none`, targetPath: `${directory}/none/mount` }
      const call = { volumeId, volumeCapability: filesystem, ...paths }
      yield* client.call(method.nodeUnpublishVolume, call)
      yield* client.call(method.nodeUnstageVolume, call)
      const expected: ReadonlyArray<readonly [Effect.Effect<unknown, RpcFailure>, string]> = [
        [client.call(method.nodePublishVolume, call), "FAILED_PRECONDITION"],
        [client.call(method.nodePublishVolume, { ...call, stagingTargetPath: "" }), "FAILED_PRECONDITION"],
        [client.call(method.nodeGetVolumeStats, { volumeId, volumePath: paths.targetPath }), "NOT_FOUND"],
        [client.call(method.nodeExpandVolume, { volumeId, volumePath: paths.targetPath }), "NOT_FOUND"],
        [client.call(method.nodeStageVolume, { ...call, stagingTargetPath: "" }), "INVALID_ARGUMENT"],
        [client.call(method.nodeStageVolume, call), "INVALID_ARGUMENT"]
      ]
      for (const [rpc, code] of expected) {
        const failure = yield* Effect.flip(rpc)
        assert.strictEqual(failure.code, code, failure.message)
      }
      assert.strictEqual((yield* client.call(method.nodeGetInfo, {})).nodeId, nodeId)
    }))
})
