import { Effect } from "effect"
import { Controller } from "../../src/csi/gen/csi_pb.ts"
import type { GrpcClient } from "./GrpcClient.ts"
import { type CreateFields, createRequest, filesystem } from "./Requests.ts"

const { method } = Controller

type ListFields = {
  readonly maxEntries?: number
  readonly startingToken?: string
  readonly snapshotId?: string
  readonly sourceVolumeId?: string
}

/** Calls of the Controller service as the sidecars make them, with the fields that matter to a test. */
export const controllerCalls = ({ call }: GrpcClient) => ({
  create: (name: string, change: CreateFields = {}) =>
    Effect.map(call(method.createVolume, createRequest(name, change)), ({ volume }) => ({
      volumeId: volume?.volumeId ?? "",
      capacityBytes: volume?.capacityBytes ?? 0n,
      volumeContext: volume?.volumeContext ?? {}
    })),
  snapshot: (sourceVolumeId: string, name: string, parameters: Readonly<Record<string, string>> = {}) =>
    Effect.map(call(method.createSnapshot, { sourceVolumeId, name, parameters }), ({ snapshot }) => ({
      snapshotId: snapshot?.snapshotId ?? "",
      sourceVolumeId: snapshot?.sourceVolumeId ?? "",
      sizeBytes: snapshot?.sizeBytes ?? 0n,
      seconds: snapshot?.creationTime?.seconds ?? 0n,
      readyToUse: snapshot?.readyToUse ?? false
    })),
  removeSnapshot: (snapshotId: string) => call(method.deleteSnapshot, { snapshotId }),
  snapshots: (filter: ListFields = {}) => call(method.listSnapshots, filter),
  remove: (volumeId: string) => call(method.deleteVolume, { volumeId }),
  get: (volumeId: string) => call(method.controllerGetVolume, { volumeId }),
  expand: (volumeId: string, requiredBytes: bigint, limitBytes = 0n) =>
    call(method.controllerExpandVolume, { volumeId, capacityRange: { requiredBytes, limitBytes } }),
  publish: (volumeId: string, nodeId: string, change: { readonly readonly?: boolean } = {}) =>
    call(method.controllerPublishVolume, { volumeId, nodeId, volumeCapability: filesystem, ...change }),
  unpublish: (volumeId: string, nodeId: string) => call(method.controllerUnpublishVolume, { volumeId, nodeId }),
  list: (page: { readonly maxEntries?: number; readonly startingToken?: string } = {}) =>
    call(method.listVolumes, page),
  capacity: (parameters: Readonly<Record<string, string>> = {}) => call(method.getCapacity, { parameters })
})

/** What {@link controllerCalls} makes. */
export type ControllerCalls = ReturnType<typeof controllerCalls>
