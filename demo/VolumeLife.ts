import { Effect, FileSystem } from "effect"
import { Controller, Node } from "../src/csi/gen/csi_pb.ts"
import { block, createRequest, filesystem, GiB } from "../test/support/Requests.ts"
import type { Cluster } from "./Cluster.ts"
import { emptyAppliance, refusal } from "./Expectations.ts"
import * as Screen from "./Screen.ts"
import { expect, Steps } from "./Steps.ts"

const { method: controllerRpc } = Controller
const { method: nodeRpc } = Node

/** A file system volume from the claim to the last trace of it, as the sidecars and kubelet would call the driver. */
export const filesystemVolume = Effect.fnUntraced(function*(cluster: Cluster) {
  const { controller, directory, node, orchestrator } = cluster
  const { step } = yield* Steps
  const files = yield* FileSystem.FileSystem
  const volumeId = "pvc-3f1f7a52-8d1e-4c2b-9a54-0c7f6f0e2d11"
  const request = createRequest(volumeId, { capacityRange: { requiredBytes: 10n * GiB } })
  const stagingTargetPath = `${directory}/globalmount`
  const targetPath = `${directory}/pod`
  const volumeCapability = filesystem
  yield* files.makeDirectory(stagingTargetPath)

  yield* Screen.heading("A file system volume")
  const create = controller.call(controllerRpc.createVolume, request)
  yield* step("CreateVolume, 10 GiB", Effect.map(create, ({ volume }) => `${volume?.capacityBytes ?? 0n} bytes`))
  const { volume } = yield* create
  yield* step(
    "CreateVolume again, as after a lost answer",
    Effect.gen(function*() {
      const again = yield* create
      yield* expect(again.volume?.volumeId === volume?.volumeId, "another volume")
      return "the same volume"
    })
  )
  const volumeContext = volume?.volumeContext ?? {}
  const provisioned = { volumeId, volumeContext, shared: false }
  orchestrator.cluster.addVolume(volumeId, { attributes: volumeContext })
  yield* step(
    "ControllerPublishVolume to node-a",
    Effect.as(orchestrator.attach(controller, provisioned, "node-a"), "recorded in the PersistentVolume")
  )
  yield* step(
    "ControllerPublishVolume to node-b",
    refusal(orchestrator.publish(controller, provisioned, "node-b"), "FAILED_PRECONDITION", "node-a")
  )
  const staging = { volumeId, volumeContext, volumeCapability, stagingTargetPath }
  yield* step(
    "NodeStageVolume: connect, make ext4, mount",
    Effect.as(node.call(nodeRpc.nodeStageVolume, staging), "staged")
  )
  yield* step(
    "NodePublishVolume: the pod's directory",
    Effect.as(node.call(nodeRpc.nodePublishVolume, { ...staging, targetPath }), "published")
  )
  yield* step(
    "the pod writes a file",
    Effect.as(files.writeFileString(`${targetPath}/hello.txt`, "hello"), "written")
  )
  yield* step(
    "ControllerExpandVolume, 20 GiB",
    Effect.map(
      controller.call(controllerRpc.controllerExpandVolume, { volumeId, capacityRange: { requiredBytes: 20n * GiB } }),
      ({ capacityBytes }) => `${capacityBytes / GiB} GiB on the appliance`
    )
  )
  yield* step(
    "NodeExpandVolume while the pod runs",
    Effect.as(node.call(nodeRpc.nodeExpandVolume, { volumeId, volumePath: targetPath }), "file system grown")
  )
  yield* step(
    "NodeGetVolumeStats",
    Effect.map(
      node.call(nodeRpc.nodeGetVolumeStats, { volumeId, volumePath: targetPath }),
      ({ usage, volumeCondition }) =>
        `${(usage[0]?.total ?? 0n) / GiB} GiB, condition ${volumeCondition?.abnormal === false ? "good" : "abnormal"}`
    )
  )
  yield* step(
    "NodeUnpublish, NodeUnstage, ControllerUnpublish",
    Effect.gen(function*() {
      yield* node.call(nodeRpc.nodeUnpublishVolume, { volumeId, targetPath })
      yield* node.call(nodeRpc.nodeUnstageVolume, { volumeId, stagingTargetPath })
      yield* orchestrator.detach(controller, provisioned, "node-a")
      yield* expect(!(yield* files.exists(targetPath)), "the pod's directory is still there")
      return "unmounted, disconnected, released"
    })
  )
  yield* step(
    "DeleteVolume",
    Effect.gen(function*() {
      yield* controller.call(controllerRpc.deleteVolume, { volumeId })
      yield* emptyAppliance(cluster)
      return "neither disk nor file left"
    })
  )
})

/** A raw block volume, as a KubeVirt disk is one. */
export const blockVolume = Effect.fnUntraced(function*(cluster: Cluster) {
  const { controller, directory, node, orchestrator } = cluster
  const { step } = yield* Steps
  const name = "pvc-8a0b6c1d-52f7-4d0e-8b7a-5f6d1c9e3a20"
  const request = createRequest(name, { volumeCapabilities: [block] })
  yield* Screen.heading("A block volume")
  yield* step(
    "from CreateVolume to a device in the pod, and back",
    Effect.gen(function*() {
      const { volume } = yield* controller.call(controllerRpc.createVolume, request)
      const volumeId = volume?.volumeId ?? ""
      const volumeContext = volume?.volumeContext ?? {}
      const provisioned = { volumeId, volumeContext, shared: false }
      orchestrator.cluster.addVolume(volumeId, { attributes: volumeContext })
      const stagingTargetPath = `${directory}/staging`
      const targetPath = `${directory}/device`
      const staging = {
        volumeId,
        volumeContext,
        volumeCapability: block,
        stagingTargetPath
      }
      yield* orchestrator.attach(controller, provisioned, "node-a")
      yield* node.call(nodeRpc.nodeStageVolume, staging)
      yield* node.call(nodeRpc.nodePublishVolume, { ...staging, targetPath })
      const stats = yield* node.call(nodeRpc.nodeGetVolumeStats, { volumeId, volumePath: targetPath })
      yield* node.call(nodeRpc.nodeUnpublishVolume, { volumeId, targetPath })
      yield* node.call(nodeRpc.nodeUnstageVolume, { volumeId, stagingTargetPath })
      yield* orchestrator.detach(controller, provisioned, "node-a")
      yield* controller.call(controllerRpc.deleteVolume, { volumeId })
      yield* emptyAppliance(cluster)
      return `a device of ${(stats.usage[0]?.total ?? 0n) / GiB} GiB; nothing left`
    })
  )
})
