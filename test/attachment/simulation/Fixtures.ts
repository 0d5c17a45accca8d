import { Clock, Effect, Metric, Option } from "effect"
import { nodesOf } from "../../../src/attachment/AttachmentState.ts"
import type { ObservedAttachment } from "../../../src/attachment/AttachmentStore.ts"
import type { AttachmentRequest, Fencing } from "../../../src/attachment/Fencing.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { attachmentKey, SimulatedCluster } from "./SimulatedCluster.ts"
import { Timeline } from "./Timeline.ts"

export const volumeId = VolumeId.fromName("data")

/** A cluster with these volumes, none of which anybody has used. */
export const clusterOf = (...volumes: ReadonlyArray<VolumeId>) => new SimulatedCluster(new Timeline(), volumes)

/** The same, with an appliance that enforces who may connect, and lets in nobody so far. */
export const enforcedClusterOf = (...volumes: ReadonlyArray<VolumeId>) => {
  const cluster = new SimulatedCluster(new Timeline(), volumes, { enforced: true })
  for (const volume of volumes) cluster.limit(volume, [], "limit")
  return cluster
}

/** A request for the whole volume on one node. */
export const alone = (nodeId: string): AttachmentRequest => ({
  volumeId,
  nodeId,
  capability: { accessMode: "SINGLE_NODE_WRITER", accessType: { _tag: "Block" } },
  readonly: false,
  migrationTimeoutSeconds: 300
})

/** A request for a volume that a second node may share. */
export const shared = (nodeId: string, migrationTimeoutSeconds = 300): AttachmentRequest => ({
  ...alone(nodeId),
  capability: { accessMode: "MULTI_NODE_MULTI_WRITER", accessType: { _tag: "Block" } },
  migrationTimeoutSeconds
})

/** What the orchestrator knows of an attachment, unless `change` says something else. */
export const attachment = (nodeId: string, change: Partial<ObservedAttachment> = {}): ObservedAttachment => ({
  volumeId,
  nodeId,
  attached: true,
  deleting: false,
  createdAt: 0,
  accessMode: "MULTI_NODE_MULTI_WRITER",
  readonly: false,
  migrationTimeoutSeconds: 300,
  ...change
})

/** What is recorded of the volume. */
export const recorded = (cluster: SimulatedCluster) => {
  const record = cluster.records.get(volumeId)
  return record?._tag === "Recorded" ? record.state : undefined
}

/** The nodes that are recorded as holders of the volume. */
export const recordedNodes = (cluster: SimulatedCluster) => nodesOf(recorded(cluster)?.holders ?? [])

/** How much a counter has grown through the effect. */
export const growthOf = <A, E, R>(counter: Metric.Counter<number>, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* Metric.value(counter)
    yield* effect
    return (yield* Metric.value(counter)).count - before.count
  })

/** An orchestrator that keeps its attachments in step with what the controller answers. */
export const orchestrator = (cluster: SimulatedCluster, fencing: Fencing["Service"]) => ({
  attach: Effect.fnUntraced(function*(request: AttachmentRequest) {
    const { capability: { accessMode }, migrationTimeoutSeconds, nodeId } = request
    const createdAt = yield* Clock.currentTimeMillis
    cluster.setAttachment(attachment(nodeId, { accessMode, migrationTimeoutSeconds, createdAt, attached: false }))
    yield* fencing.publish(request)
    cluster.setAttachment(attachment(nodeId, { accessMode, migrationTimeoutSeconds, createdAt }))
  }),
  detach: Effect.fnUntraced(function*(nodeId: string) {
    yield* fencing.unpublish(volumeId, Option.some(nodeId))
    cluster.removeAttachment(attachmentKey(volumeId, nodeId))
  })
})
