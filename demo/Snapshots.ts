import { Effect, FileSystem } from "effect"
import { Controller, Node } from "../src/csi/gen/csi_pb.ts"
import { createRequest, filesystem, fromSnapshot, fromVolume, GiB } from "../test/support/Requests.ts"
import type { Cluster } from "./Cluster.ts"
import { emptyAppliance } from "./Expectations.ts"
import * as Screen from "./Screen.ts"
import { expect, Steps } from "./Steps.ts"

const { method: controllerRpc } = Controller
const { method: nodeRpc } = Node

const names = {
  data: "pvc-2d9b6f10-4c1e-4f0a-9d0b-6a1f3c5e7b01",
  restored: "pvc-2d9b6f10-4c1e-4f0a-9d0b-6a1f3c5e7b02",
  clone: "pvc-2d9b6f10-4c1e-4f0a-9d0b-6a1f3c5e7b03",
  rescued: "pvc-2d9b6f10-4c1e-4f0a-9d0b-6a1f3c5e7b04"
}

/** What has been provisioned, and where a pod on node-a finds it. */
const mountedVolume = Effect.fnUntraced(function*(
  { controller, directory, node, orchestrator }: Cluster,
  request: ReturnType<typeof createRequest>
) {
  const files = yield* FileSystem.FileSystem
  const { volume } = yield* controller.call(controllerRpc.createVolume, request)
  const { capacityBytes = 0n, volumeContext = {}, volumeId = "" } = volume ?? {}
  const provisioned = { volumeId, volumeContext, shared: false }
  const stagingTargetPath = `${directory}/staging-${volumeId}`
  const targetPath = `${directory}/pod-${volumeId}`
  yield* files.makeDirectory(stagingTargetPath)
  orchestrator.cluster.addVolume(volumeId, { attributes: volumeContext })
  yield* orchestrator.attach(controller, provisioned, "node-a")
  const staging = { volumeId, volumeContext, volumeCapability: filesystem, stagingTargetPath }
  yield* node.call(nodeRpc.nodeStageVolume, staging)
  yield* node.call(nodeRpc.nodePublishVolume, { ...staging, targetPath })
  return {
    capacityBytes,
    file: `${targetPath}/notes.txt`,
    remove: Effect.gen(function*() {
      yield* node.call(nodeRpc.nodeUnpublishVolume, { volumeId, targetPath })
      yield* node.call(nodeRpc.nodeUnstageVolume, { volumeId, stagingTargetPath })
      yield* orchestrator.detach(controller, provisioned, "node-a")
      yield* controller.call(controllerRpc.deleteVolume, { volumeId })
    })
  }
})

/** A file is overwritten after a snapshot; what is restored and cloned is compared with what it was. */
export const snapshots = Effect.fnUntraced(function*(cluster: Cluster) {
  const { controller } = cluster
  const { step } = yield* Steps
  const files = yield* FileSystem.FileSystem
  yield* Screen.heading("A snapshot is cut, and its volume overwritten")
  const data = yield* mountedVolume(cluster, createRequest(names.data))
  yield* files.writeFileString(data.file, "as it was")

  yield* step(
    "CreateSnapshot while the pod writes",
    Effect.map(
      controller.call(controllerRpc.createSnapshot, { sourceVolumeId: names.data, name: "snapshot-before" }),
      ({ snapshot }) => snapshot?.readyToUse === true ? "ready to use at once" : "not ready"
    )
  )
  const { entries } = yield* controller.call(controllerRpc.listSnapshots, { sourceVolumeId: names.data })
  const snapshotId = entries[0]?.snapshot?.snapshotId ?? ""
  yield* files.writeFileString(data.file, "overwritten by a mistake")

  const holds = Effect.fnUntraced(function*(request: ReturnType<typeof createRequest>, content: string) {
    const made = yield* mountedVolume(cluster, request)
    const found = yield* files.readFileString(made.file)
    yield* expect(found === content, `the file holds "${found}", not "${content}"`)
    yield* made.remove
    return `${made.capacityBytes / GiB} GiB, mounted beside it; the file holds "${found}"`
  })
  const larger = { capacityRange: { requiredBytes: 2n * GiB } }
  yield* step(
    "CreateVolume from the snapshot, larger",
    holds(createRequest(names.restored, { ...fromSnapshot(snapshotId), ...larger }), "as it was")
  )
  yield* step(
    "CreateVolume from the volume: a clone",
    holds(createRequest(names.clone, fromVolume(names.data)), "overwritten by a mistake")
  )
  yield* step(
    "DeleteVolume, then CreateVolume from its snapshot, DeleteSnapshot",
    Effect.gen(function*() {
      yield* data.remove
      const request = createRequest(names.rescued, fromSnapshot(snapshotId))
      const answer = yield* holds(request, "as it was")
      yield* controller.call(controllerRpc.deleteSnapshot, { snapshotId })
      yield* emptyAppliance(cluster)
      return `${answer}; nothing left`
    })
  )
})
