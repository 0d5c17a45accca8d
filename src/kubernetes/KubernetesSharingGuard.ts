import { Effect, Layer, Metric } from "effect"
import { AttachmentConflict, AttachmentUnknown } from "../attachment/Errors.ts"
import { SharingGuard } from "../attachment/SharingGuard.ts"
import { attachmentConflictsTotal } from "../observability/Metrics.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { ClusterNodes } from "./ClusterNodes.ts"
import { claimOf } from "./EventPost.ts"
import { EventRecorder } from "./EventRecorder.ts"
import { KubeApi } from "./KubeApi.ts"
import { pods } from "./Resources.ts"
import { objectionToSharing } from "./VirtualMachines.ts"
import { makeVolumeLookup } from "./VolumeLookup.ts"

/**
 * Who may share a block volume between two nodes: `any` pods; those of one KubeVirt virtual machine (`kubevirt-only`); or any
 * pods, with a warning when they are not of one virtual machine (`warn`).
 */
export type SharingPolicy = "warn" | "kubevirt-only" | "any"

/**
 * The guard that looks at the pods of both nodes. Pods are recognised by their labels: this keeps people from mistakes, not
 * attackers from harm.
 */
export const kubernetesSharingGuard = (policy: SharingPolicy) =>
  policy === "any" ? SharingGuard.layerAny : Layer.effect(SharingGuard, make(policy))

const make = Effect.fnUntraced(function*(policy: "warn" | "kubevirt-only") {
  const api = yield* KubeApi
  const nodes = yield* ClusterNodes
  const recorder = yield* EventRecorder
  const lookup = yield* makeVolumeLookup

  const podsOn = Effect.fnUntraced(function*(namespace: string, nodeId: string) {
    const fieldSelector = `spec.nodeName=${nodes.nameOf(nodeId)}`
    const { items } = yield* api.list(pods, { namespace, fieldSelector })
    return { nodeId, pods: items }
  })

  const objection = Effect.fnUntraced(function*(volumeId: VolumeId, first: string, second: string) {
    const claim = claimOf(yield* lookup.peek(volumeId))
    if (claim === undefined) return "its PersistentVolume is bound to no claim"
    const on = yield* Effect.all([podsOn(claim.namespace, first), podsOn(claim.namespace, second)], { concurrency: 2 })
    return objectionToSharing(claim.name, ...on)
  })

  const tell = (volumeId: VolumeId, reason: string, message: string) =>
    Effect.andThen(
      Effect.logWarning(`volume ${volumeId}: ${message}`),
      recorder.post(volumeId, { type: "Warning", reason, message: `[${volumeId}]: ${message}` })
    )

  const check = Effect.fn("SharingGuard.check")(function*(volumeId: VolumeId, first: string, second: string) {
    const sharing = `nodes ${first} and ${second} at once`
    const found = yield* Effect.result(objection(volumeId, first, second))
    if (found._tag === "Failure") {
      const { message } = found.failure
      if (policy === "warn") {
        return yield* tell(
          volumeId,
          "UnsafeSharing",
          `it is about to be attached to ${sharing}, and whether for one virtual machine is not known: ${message}`
        )
      }
      return yield* new AttachmentUnknown({
        message:
          `volume ${volumeId} cannot be attached to ${sharing} now: whether one KubeVirt virtual machine uses it ` +
          `there is not known (${message}); try again`
      })
    }
    if (found.success === undefined) return
    if (policy === "warn") {
      return yield* tell(
        volumeId,
        "UnsafeSharing",
        `it is about to be attached to ${sharing}, but not for the live migration of a KubeVirt virtual machine: ${found.success}; two ` +
          "writers that do not coordinate destroy the data"
      )
    }
    const refusal =
      `it is not attached to ${sharing}: that is for the live migration of a KubeVirt virtual machine only ` +
      `(--rwx-policy=kubevirt-only), and ${found.success}`
    yield* Metric.update(Metric.withAttributes(attachmentConflictsTotal, { reason: "policy" }), 1)
    yield* tell(volumeId, "AttachmentConflict", refusal)
    return yield* new AttachmentConflict({ message: `volume ${volumeId}: ${refusal}` })
  })

  return SharingGuard.of({ check })
})
