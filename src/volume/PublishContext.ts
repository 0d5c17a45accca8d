import type { FsType } from "./AccessMode.ts"

/** What ControllerPublishVolume granted, in the words of a publish context. */
export interface Grant {
  readonly address: string
  readonly port: number
  readonly nqn: string
  /** Absent for a block volume. */
  readonly fsType?: FsType
  readonly readonly: boolean
}

/**
 * The publish context of a grant: the keys that the Go driver wrote, for whoever reads them in the VolumeAttachment, and
 * `readonly`, which the node goes by.
 */
export const encode = ({ address, fsType, nqn, port, readonly }: Grant): Readonly<Record<string, string>> => ({
  nvme_address: address,
  nvme_port: String(port),
  nvme_nqn: nqn,
  ...(fsType === undefined ? {} : { fs_type: fsType }),
  ...(readonly ? { readonly: "true" } : {})
})

/** Whether the node was granted the volume for reading only. */
export const isReadOnly = (context: Readonly<Record<string, string>>): boolean => context["readonly"] === "true"
