import type { Pod } from "./Resources.ts"

/** The pods of one node, in the claim's namespace. */
export interface PodsOnNode {
  readonly nodeId: string
  readonly pods: ReadonlyArray<Pod>
}

/**
 * Why two nodes that use a claim are not a KubeVirt virtual machine that is moving from one to the other; undefined when they
 * are: some pod on the second node uses the claim, and every pod on either that does belongs to one and the same virtual
 * machine. On the first node there need be none, as its pod may have ended before the volume is detached.
 */
export const objectionToSharing = (claim: string, first: PodsOnNode, second: PodsOnNode): string | undefined => {
  const here = usersOf(claim, second)
  if (here.length === 0) return `no pod on node ${second.nodeId} uses claim ${claim}`
  const users = [...usersOf(claim, first), ...here]
  const stranger = users.find(({ machine }) => machine === undefined)
  if (stranger !== undefined) {
    return `pod ${stranger.pod} on node ${stranger.nodeId} uses claim ${claim} and is not of a KubeVirt virtual machine`
  }
  return new Set(users.map(({ machine }) => machine)).size === 1
    ? undefined
    : `the pods on nodes ${first.nodeId} and ${second.nodeId} that use claim ${claim} are of different virtual machines`
}

/** Pods that use the claim and have not ended, each with the virtual machine that it belongs to. */
const usersOf = (claim: string, { nodeId, pods }: PodsOnNode) =>
  pods
    .filter(({ spec, status }) =>
      status?.phase !== "Succeeded" && status?.phase !== "Failed" &&
      (spec.volumes ?? []).some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claim)
    )
    .map((pod) => ({ nodeId, pod: pod.metadata.name, machine: machineOf(pod, pods) }))

/**
 * The uid of the VirtualMachineInstance (KubeVirt, api/core/v1/types.go: the labels). A virt-launcher pod carries it; a
 * hotplug attachment pod belongs to a virt-launcher pod on the same node.
 */
const machineOf = ({ metadata }: Pod, pods: ReadonlyArray<Pod>): string | undefined => {
  const kind = metadata.labels?.["kubevirt.io"]
  if (kind === "virt-launcher") return metadata.labels?.["kubevirt.io/created-by"]
  if (kind !== "hotplug-disk") return undefined
  const owners = new Set((metadata.ownerReferences ?? []).map(({ uid }) => uid))
  return pods.find((pod) => owners.has(pod.metadata.uid) && pod.metadata.labels?.["kubevirt.io"] === "virt-launcher")
    ?.metadata.labels?.["kubevirt.io/created-by"]
}
