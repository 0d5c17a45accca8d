import { Controller, Identity, Node } from "../src/csi/gen/csi_pb.ts"
import type { BareExecFailed } from "../test/support/BareExec.ts"
import { controllerCalls } from "../test/support/ControllerCalls.ts"
import type { GrpcClient, RpcFailure } from "../test/support/GrpcClient.ts"
import { filesystem, GiB, pvc } from "../test/support/Requests.ts"
import type { Cluster } from "./Cluster.ts"
import type { Floor, Step } from "./Round.ts"

/** How a call may fail, which ends the run. */
type StepFailure = BareExecFailed | RpcFailure

const step = <E>(name: string, floor: Floor, call: Step<E>["call"]): Step<E> => ({ name, floor, bare: false, call })
const bare = <E>(name: string, floor: Floor, call: Step<E>["call"]): Step<E> => ({ name, floor, bare: true, call })

const probe = ({ call }: GrpcClient) => call(Identity.method.probe, {})

/** Every RPC of the controller that works on volumes, in the order of their lives, and what each is compared with. */
export const controllerSteps = ({ bareExec, controller, echo }: Cluster): ReadonlyArray<Step<StepFailure>> => {
  const { capacity, create, expand, get, list, publish, remove, unpublish } = controllerCalls(controller)
  const validate = (volumeId: string) =>
    controller.call(Controller.method.validateVolumeCapabilities, { volumeId, volumeCapabilities: [filesystem] })
  return [
    bare("bare SSH command", "ssh", () => bareExec),
    step("CreateVolume", "ssh", (n) => create(pvc(n))),
    step("ControllerExpandVolume", "ssh", (n) => expand(pvc(n), 2n * GiB)),
    step("ControllerGetVolume", "ssh", (n) => get(pvc(n))),
    step("ControllerPublishVolume", "ssh", (n) => publish(pvc(n), "node-a")),
    step("ValidateVolumeCapabilities", "ssh", (n) => validate(pvc(n))),
    step("ListVolumes", "ssh", () => list()),
    step("GetCapacity", "ssh", () => capacity()),
    bare("bare gRPC echo", "grpc", () => probe(echo)),
    step("Probe", "grpc", () => probe(controller)),
    step("ControllerUnpublishVolume", "grpc", (n) => unpublish(pvc(n), "node-a")),
    step("DeleteVolume", "ssh", (n) => remove(pvc(n)))
  ]
}

/** Volumes of the appliance, from 0, each with the context that its creation answered. */
export type Contexts = ReadonlyArray<Readonly<Record<string, string>>>

/** Where kubelet has the n-th volume staged. */
export const stagingPath = ({ simulator }: Cluster, n: number): string => `${simulator.directory}/staging-${n}`

/** Every RPC of the node plugin that works on volumes, in the order of their lives, and what each is compared with. */
export const nodeSteps = (cluster: Cluster, contexts: Contexts): ReadonlyArray<Step<StepFailure>> => {
  const { echo, node, simulator } = cluster
  const { method } = Node
  const targetPath = (n: number) => `${simulator.directory}/pod-${n}`
  const staging = (n: number) => ({
    volumeId: pvc(n),
    stagingTargetPath: stagingPath(cluster, n),
    volumeContext: contexts[n] ?? {},
    volumeCapability: filesystem
  })
  return [
    bare("bare gRPC echo", "grpc", () => probe(echo)),
    step("NodeStageVolume", "grpc", (n) => node.call(method.nodeStageVolume, staging(n))),
    step(
      "NodePublishVolume",
      "grpc",
      (n) => node.call(method.nodePublishVolume, { ...staging(n), targetPath: targetPath(n) })
    ),
    step(
      "NodeGetVolumeStats",
      "grpc",
      (n) => node.call(method.nodeGetVolumeStats, { volumeId: pvc(n), volumePath: targetPath(n) })
    ),
    step(
      "NodeUnpublishVolume",
      "grpc",
      (n) => node.call(method.nodeUnpublishVolume, { volumeId: pvc(n), targetPath: targetPath(n) })
    ),
    step(
      "NodeUnstageVolume",
      "grpc",
      (n) => node.call(method.nodeUnstageVolume, { volumeId: pvc(n), stagingTargetPath: stagingPath(cluster, n) })
    )
  ]
}
