import type { MessageInitShape } from "@bufbuild/protobuf"
import {
  type CreateVolumeRequest,
  type CreateVolumeRequestSchema,
  VolumeCapability_AccessMode_Mode as Mode
} from "../../src/csi/gen/csi_pb.ts"

/** ReadWriteOnce as the provisioner asks for it when the driver tells SINGLE_NODE_MULTI_WRITER. */
export const filesystem = {
  accessMode: { mode: Mode.SINGLE_NODE_MULTI_WRITER },
  accessType: { case: "mount" as const, value: { fsType: "ext4" } }
}

/** ReadWriteOnce with volumeMode Block. */
export const block = {
  accessMode: { mode: Mode.SINGLE_NODE_MULTI_WRITER },
  accessType: { case: "block" as const, value: {} }
}

export const GiB = 1n << 30n

/** Fields of a CreateVolume request. */
export type CreateFields = Exclude<MessageInitShape<typeof CreateVolumeRequestSchema>, CreateVolumeRequest>

/** A CreateVolume request like the provisioner's, with changes. */
export const createRequest = (name: string, change: CreateFields = {}): CreateFields => ({
  name,
  capacityRange: { requiredBytes: GiB },
  volumeCapabilities: [filesystem],
  ...change
})

/** What a volume shall be made of. */
export const fromSnapshot = (snapshotId: string): CreateFields => ({
  volumeContentSource: { type: { case: "snapshot", value: { snapshotId } } }
})
export const fromVolume = (volumeId: string): CreateFields => ({
  volumeContentSource: { type: { case: "volume", value: { volumeId } } }
})

/** The n-th of many names as the provisioner gives them; the volume's id is the same. */
export const pvc = (n: number): string => `pvc-${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`
