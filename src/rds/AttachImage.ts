import type { Nqn } from "../volume/Nqn.ts"
import { type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import * as HostList from "./HostList.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, type RosScript } from "./RouterOs.ts"

/** An item for a backing file, and its export. */
export interface Item {
  readonly slot: string
  readonly nqn: Nqn
  readonly port: number
  readonly path: VolumePath
  readonly sizeBytes: bigint
  /** The item's comment. */
  readonly tag: string
  readonly letsIn: RdsConfig["newVolumesLetIn"]
  /** Whether the volume begins empty, so that its file may be made when it is not there. */
  readonly empty: boolean
}

/** Sets the variables `vt`, the comment, `vl`, the slot, and `vq`, the NQN. */
export const itemVariables = ({ nqn, slot, tag }: Item): RosScript =>
  ros`:local vq ${nqn}; :local vl ${slot}; :local vt ${tag};`

/** RouterOS mounts the file system inside the image unless told not to: a second writer beside the node. */
export const itemArguments: RosScript = ros`type=file slot=$vl file-path=$vf mount-filesystem=no comment=$vt`

export const exportArguments = ({ letsIn, port }: Item): RosScript => {
  const limit = letsIn === "nobody" ? [ros`nvme-tcp-server-allow-host-name=${HostList.encode([])}`] : []
  return ros`nvme-tcp-server-nqn=$vq nvme-tcp-server-port=${port} ${limit} nvme-tcp-export=yes`
}

/**
 * Adds the item unless something has its slot, file or NQN, grows it to its size, and exports it last. A file that is
 * there is attached, never cut or replaced: it may hold data.
 */
export const attachScript = (item: Item): RosScript => {
  const ours = ros`slot=$vl and file-path=$vf and comment=$vt`
  const add = item.empty
    ? ros`:if ([:len [/file/find where name=$vn]] = 0) do={
        /disk/add ${itemArguments} file-size=${item.sizeBytes}
      } else={ /disk/add ${itemArguments} }`
    : ros`/disk/add ${itemArguments}`
  return ros`${itemVariables(item)} :local vn ${withoutSlash(item.path)}; :local vf ("/" . $vn);
    :if ([:len [/disk/find where slot=$vl or file-path=$vf or nvme-tcp-server-nqn=$vq]] = 0) do={ ${add} };
    :foreach i in=[/disk/find where ${ours} and size<${item.sizeBytes}] do={ /disk/set $i file-size=${item.sizeBytes} };
    :foreach i in=[/disk/find where ${ours}] do={ /disk/set $i ${exportArguments(item)} };`
}
