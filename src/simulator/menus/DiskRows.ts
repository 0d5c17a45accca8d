import { labelOf, uuidOf } from "../device/Filesystem.ts"
import type { DeviceState, FileDisk, Pool } from "../device/Model.ts"
import { freeBytes, usedBytes } from "../device/Space.ts"
import { bool, num, str, type Value } from "../language/Value.ts"
import type { Row } from "../menu/Menu.ts"
import { row } from "./Values.ts"

const sharing = {
  "iscsi-export": bool(false),
  "nfs-sharing": bool(false),
  "smb-sharing": bool(false),
  "media-sharing": bool(false),
  "media-interface": str("none")
}

const unlessEmpty = (text: string): Value | undefined => text === "" ? undefined : str(text)

/** A pool as `/disk` shows it; one that is not mounted has no mount point and no free space to show. */
export const poolRow = (state: DeviceState, pool: Pool, full: boolean): Row =>
  row(pool.id, {
    "block-device": bool(true),
    mounted: bool(pool.mounted),
    comment: unlessEmpty(pool.comment),
    type: str("raid"),
    slot: str(pool.slot),
    "slot-default": str(""),
    parent: str(""),
    fs: str(pool.fs),
    "fs-label": str(labelOf(pool)),
    "fs-uuid": str(uuidOf(pool)),
    model: str("RAID0 striped"),
    size: num(pool.sizeBytes),
    free: pool.mounted ? num(full ? 0n : freeBytes(state, pool)) : undefined,
    use: pool.mounted ? num(full ? 100n : usedBytes(state, pool) * 100n / pool.sizeBytes) : undefined,
    "mount-point": pool.mounted ? str(pool.mountPoint) : undefined,
    "mount-point-template": str("[slot]"),
    "mount-filesystem": bool(true),
    "mount-read-only": bool(false),
    compress: bool(false),
    "sector-size": num(512),
    "raid-master": str("none"),
    state: str(pool.state),
    "nvme-tcp-export": bool(false),
    "nvme-tcp-server-port": num(4420),
    "nvme-tcp-server-allow-host-name": str(""),
    ...sharing,
    swap: bool(false)
  })

/** A file disk as `/disk` shows it: no status, no creation time; `size` in bytes, `file-size` rounded in text. */
export const fileDiskRow = (disk: FileDisk, nqn: string): Row =>
  row(disk.id, {
    disabled: bool(disk.disabled),
    "block-device": bool(true),
    comment: unlessEmpty(disk.comment),
    type: str("file"),
    slot: str(disk.slot),
    "slot-default": str(""),
    parent: str(""),
    fs: str("-"),
    model: str(disk.filePath),
    size: num(disk.fileSize),
    "mount-point-template": str(disk.mountPointTemplate),
    "mount-filesystem": bool(disk.mountFilesystem),
    "mount-read-only": bool(disk.mountReadOnly),
    compress: bool(disk.compress),
    "sector-size": num(512),
    "raid-master": str("none"),
    "nvme-tcp-export": bool(disk.exported),
    "nvme-tcp-server-port": num(disk.port),
    "nvme-tcp-server-nqn": str(nqn),
    "nvme-tcp-server-allow-host-name": str(disk.allowHostName),
    ...sharing,
    swap: bool(disk.swap),
    "file-path": str(disk.filePath),
    "file-size": num(disk.fileSize),
    "file-offset": num(disk.fileOffset)
  })
