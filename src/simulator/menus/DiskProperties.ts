import { isAtLeast } from "../device/Version.ts"
import type { Value } from "../language/Value.ts"
import type { PropertySpec } from "../menu/Menu.ts"
import type { SimulatorConfig } from "../SimulatorConfig.ts"

interface Gated {
  /** First version that has it. */
  readonly since?: string
  /** Only with the package rose-storage. */
  readonly rose?: true
}

const percent = (value: Value) => value._tag === "Num" ? `${value.value}%` : ""

// In the order of `/disk/print detail` on a device. Names, types and packages: RouterOS manual, CLI reference of /disk.
const properties: ReadonlyArray<PropertySpec & Gated> = [
  { name: "disabled", type: "bool", flag: "X", settable: "both" },
  { name: "block-device", type: "bool", flag: "B" },
  { name: "mounted", type: "bool", flag: "M" },
  { name: "comment", type: "string", settable: "both" },
  { name: "type", type: "enum", settable: "both", required: true },
  { name: "slot", type: "string", settable: "both" },
  { name: "slot-default", type: "string" },
  { name: "parent", type: "string" },
  { name: "copy-from", type: "string", settable: "add" },
  { name: "fs", type: "enum" },
  { name: "fs-label", type: "string" },
  { name: "fs-uuid", type: "string" },
  { name: "model", type: "string" },
  { name: "size", type: "count" },
  { name: "free", type: "count" },
  { name: "use", type: "num", text: percent },
  { name: "mount-point", type: "string" },
  { name: "mount-point-template", type: "string", settable: "both", since: "7.17" },
  { name: "mount-filesystem", type: "bool", settable: "both", since: "7.17" },
  { name: "mount-read-only", type: "bool", settable: "both", since: "7.17" },
  { name: "compress", type: "bool", settable: "both", since: "7.18" },
  { name: "sector-size", type: "num" },
  { name: "raid-master", type: "enum", rose: true },
  { name: "state", type: "string", rose: true },
  { name: "nvme-tcp-export", type: "bool", flag: "t", spelled: true, settable: "both", rose: true },
  { name: "nvme-tcp-server-port", type: "num", settable: "both", rose: true },
  { name: "nvme-tcp-server-nqn", type: "string", settable: "both", rose: true, since: "7.21" },
  { name: "nvme-tcp-server-allow-host-name", type: "string", settable: "both", rose: true },
  // Readable with the policy sensitive only, which the driver's group must not have; so no row has it.
  { name: "nvme-tcp-server-password", type: "string", settable: "both", rose: true, hidden: true },
  { name: "iscsi-export", type: "bool", rose: true },
  { name: "nfs-sharing", type: "bool", rose: true },
  { name: "smb-sharing", type: "bool" },
  { name: "media-sharing", type: "bool" },
  { name: "media-interface", type: "enum" },
  { name: "swap", type: "bool", settable: "both", since: "7.17" },
  { name: "file-path", type: "file", settable: "both", since: "7.17" },
  { name: "file-size", type: "size", settable: "both", since: "7.17" },
  { name: "file-offset", type: "num", settable: "both", since: "7.17" }
]

const types = ["hardware", "partition", "smb", "sshfs", "tmpfs"]
const roseTypes = ["raid", "nfs", "iscsi", "nvme-tcp", "ramdisk", "crypted"]

/** Properties that this version with these packages has; others are unknown to its parser. */
export const diskProperties = ({ packages, version }: SimulatorConfig): ReadonlyArray<PropertySpec> => {
  const rose = packages.includes("rose-storage")
  const values = [...isAtLeast(version, "7.17") ? ["file"] : [], ...types, ...rose ? roseTypes : []]
  return properties
    .filter((property) => (rose || property.rose !== true) && isAtLeast(version, property.since ?? "7.0"))
    .map(({ rose: _rose, since: _since, ...property }) => property.name === "type" ? { ...property, values } : property)
}
