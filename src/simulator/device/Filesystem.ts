import { v5 } from "../../volume/Uuid.ts"
import type { Pool } from "./Model.ts"

/** Label of a pool's file system. Formatting a disk as Btrfs labels it so (RouterOS manual, Btrfs). */
export const labelOf = ({ fs, label, slot }: Pool): string => label ?? (fs === "btrfs" ? `${slot}-fs` : "")

/** UUID of a pool's file system. */
export const uuidOf = ({ id, slot }: Pool): string => v5(`${slot}.${id}.filesystem.rds-csi-simulator`)
