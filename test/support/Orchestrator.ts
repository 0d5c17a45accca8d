import { Effect, Schema } from "effect"
import { Controller, VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { controllerCalls } from "./ControllerCalls.ts"
import type { GrpcClient } from "./GrpcClient.ts"
import type { ApiServerOptions } from "./kubernetes/ApiServer.ts"
import { attachmentName, type VolumeOptions } from "./kubernetes/Cluster.ts"
import { startCluster } from "./kubernetes/Harness.ts"
import { block, filesystem } from "./Requests.ts"
import { runDriver, withFlags } from "./TestCluster.ts"

/** ReadWriteMany with volumeMode Block, as KubeVirt asks for it. */
const shared = { ...block, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }

const decodeEvents = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({
    involvedObject: Schema.Struct({ name: Schema.String }),
    reason: Schema.String,
    message: Schema.String,
    count: Schema.Int
  }))
)

/** A volume with its PersistentVolume. */
export interface Provisioned {
  readonly volumeId: string
  readonly shared: boolean
  readonly volumeContext: Readonly<Record<string, string>>
}

/**
 * A cluster in memory, with nodes, and what its controllers and sidecars do with the driver: provision a volume, attach it to a
 * node and detach it, with the objects that these leave in the API.
 */
export const startOrchestrator = Effect.fnUntraced(function*(
  { controllerFlags, directory }: { readonly controllerFlags: ReadonlyArray<string>; readonly directory: string },
  nodes: ReadonlyArray<string>,
  api: ApiServerOptions = {}
) {
  const cluster = yield* startCluster(api)
  for (const node of nodes) cluster.addNode(node)
  const flags = withFlags(controllerFlags, { "--attachments": "kubernetes", "--kubeconfig": cluster.kubeconfig })

  const publish = ({ call }: GrpcClient, { shared: isShared, volumeContext, volumeId }: Provisioned, nodeId: string) =>
    call(Controller.method.controllerPublishVolume, {
      volumeId,
      nodeId,
      volumeContext,
      volumeCapability: isShared ? shared : filesystem
    })

  /** What people are told in the events of the volume's claim, oldest first. */
  const events = (volumeId: string) =>
    decodeEvents(cluster.events()).filter(({ involvedObject }) => involvedObject.name === volumeId)

  return {
    cluster,
    /** Starts a replica of the controller. */
    startController: (
      name: string,
      more: ReadonlyArray<string> = [],
      env: Readonly<Record<string, string>> = {}
    ) =>
      runDriver(`${directory}/${name}.sock`, ["controller", ...flags, ...more], { env, metricsAddress: "127.0.0.1:0" }),

    /** external-provisioner: makes a volume and its PersistentVolume, bound to the claim `default/<name>`. */
    provision: Effect.fnUntraced(function*(
      client: GrpcClient,
      name: string,
      { isShared = false, parameters = {}, ...options }: VolumeOptions & {
        readonly isShared?: boolean
        readonly parameters?: Readonly<Record<string, string>>
      } = {}
    ) {
      const { create } = controllerCalls(client)
      const volumeCapabilities = [isShared ? shared : filesystem]
      const { volumeContext, volumeId } = yield* create(name, { volumeCapabilities, parameters })
      const accessModes = [isShared ? "ReadWriteMany" : "ReadWriteOnce"]
      cluster.addVolume(volumeId, { accessModes, attributes: volumeContext, ...options })
      return { volumeId, shared: isShared, volumeContext } satisfies Provisioned
    }),

    /** What external-attacher does first, and again for as long as it fails. */
    publish,

    /** Attach-detach controller and external-attacher: the volume gets attached, or the VolumeAttachment stays behind. */
    attach: Effect.fnUntraced(function*(client: GrpcClient, volume: Provisioned, nodeId: string) {
      const attachment = cluster.attach(volume.volumeId, nodeId)
      yield* publish(client, volume, nodeId)
      cluster.attached(attachment, nodeId)
    }),

    /** Attach-detach controller and external-attacher: the volume gets detached and the VolumeAttachment is gone. */
    detach: Effect.fnUntraced(function*(
      client: GrpcClient,
      { volumeId }: Provisioned,
      nodeId: string
    ) {
      const attachment = attachmentName(volumeId, nodeId)
      cluster.detach(attachment)
      yield* controllerCalls(client).unpublish(volumeId, nodeId)
      cluster.detached(attachment)
    }),

    events,

    /** How many times each reason was told in the events of the volume's claim. */
    told: (volumeId: string): Readonly<Record<string, number>> => {
      const counts: Record<string, number> = {}
      for (const { count, reason } of events(volumeId)) counts[reason] = (counts[reason] ?? 0) + count
      return counts
    }
  }
})
