import { Effect } from "effect"
import { v5 } from "../../volume/Uuid.ts"
import type { Device } from "../device/Device.ts"
import { labelOf, uuidOf } from "../device/Filesystem.ts"
import type { DeviceState, Pool, Subvolume } from "../device/Model.ts"
import { parentOf, subvolumeOf } from "../device/Paths.ts"
import { addSubvolume, fullNameOf, nameOf, removeSubvolume, setSubvolume, subvolumesOf } from "../device/Subvolumes.ts"
import { isAtLeast } from "../device/Version.ts"
import { bool, id, list, num, str } from "../language/Value.ts"
import type { MenuSpec, Row } from "../menu/Menu.ts"
import { boolOf, dateText, idNumber, present, row, several, textOf } from "./Values.ts"

const policy = { read: "read", write: "write" } as const

/** What RouterOS calls the subvolume that is the top of a file system (RouterOS manual, Btrfs RAID). */
const top = "<FS_ROOT>"

/** `/disk/btrfs/filesystem`: one item for each pool with Btrfs, mounted or not. */
const filesystems = (device: Device["Service"]): MenuSpec => {
  const devices = device.config.unsure.btrfsDevices
  return {
    path: "/disk/btrfs/filesystem",
    properties: [
      { name: "missing-devs", type: "bool", flag: "I" },
      { name: "balancing", type: "bool", flag: "b" },
      { name: "replacing", type: "bool", flag: "r" },
      { name: "scrubbing", type: "bool", flag: "s" },
      { name: "label", type: "string", settable: "set" },
      several("dev-ids"),
      several(devices),
      { name: "total-devs", type: "num" },
      { name: "default-subvolume", type: "enum" },
      { name: "uuid", type: "string" },
      several("write-errors"),
      several("read-errors"),
      several("corruption-errors")
    ],
    columns: ["label", "dev-ids", devices, "default-subvolume", "uuid"],
    nameProperty: "label",
    policy,
    rows: Effect.map(device.state, ({ pools }) =>
      pools.filter(({ fs }) => fs === "btrfs").map((pool) =>
        row(pool.id, {
          "missing-devs": bool(false),
          balancing: bool(false),
          replacing: bool(false),
          scrubbing: bool(false),
          label: str(labelOf(pool)),
          "dev-ids": list([num(1)]),
          [devices]: list([str(pool.slot)]),
          "total-devs": num(1),
          "default-subvolume": str(top),
          uuid: str(uuidOf(pool)),
          "write-errors": list([num(0)]),
          "read-errors": list([num(0)]),
          "corruption-errors": list([num(0)])
        })
      )),
    set: (item, given) =>
      device.change((state) => {
        const change = present<{ label: string }>({ label: textOf(given, "label") })
        const pools = state.pools.map((pool) => pool.id === idNumber(item) ? { ...pool, ...change } : pool)
        return Effect.succeed([undefined, { ...state, pools }])
      })
  }
}

/** `/disk/btrfs/subvolume` (RouterOS manual, Btrfs subvolumes and snapshots; CLI reference of /disk). */
const subvolumes = (device: Device["Service"]): MenuSpec => ({
  path: "/disk/btrfs/subvolume",
  properties: [
    { name: "snapshot", type: "bool", flag: "S" },
    { name: "read-only", type: "bool", flag: "r", settable: "both" },
    { name: "mounted", type: "bool", flag: "M" },
    { name: "fs", type: "enum", settable: "add", required: true },
    { name: "top-level", type: "enum" },
    { name: "parent", type: "enum", settable: "add" },
    { name: "name", type: "string", settable: "add" },
    { name: "fullname", type: "string" },
    { name: "uuid", type: "string" },
    { name: "creation-time", type: "file" },
    { name: "subvolume-id", type: "num" }
  ],
  columns: ["fs", "top-level", "parent", "name", "creation-time"],
  nameProperty: "name",
  policy,
  rows: Effect.map(
    device.state,
    (state) =>
      state.pools.flatMap((pool) => subvolumesOf(state, pool).map((subvolume) => subvolumeRow(state, pool, subvolume)))
  ),
  add: (given) =>
    Effect.map(
      addSubvolume(device, {
        fs: textOf(given, "fs") ?? "",
        name: textOf(given, "name") ?? "",
        parent: textOf(given, "parent"),
        readOnly: boolOf(given, "read-only") ?? false
      }),
      (number) => id(BigInt(number))
    ),
  set: (item, given) => setSubvolume(device, idNumber(item), present({ readOnly: boolOf(given, "read-only") })),
  remove: (item) => removeSubvolume(device, idNumber(item))
})

/** Below it are the numbers that Btrfs keeps for itself (Linux, btrfs_tree.h: BTRFS_FIRST_FREE_OBJECTID). */
const firstSubvolumeId = 256

const subvolumeRow = (state: DeviceState, pool: Pool, subvolume: Subvolume): Row => {
  const above = subvolumeOf(state, parentOf(subvolume.path))
  const source = state.subvolumes.find((other) => other.id === subvolume.source)
  return row(subvolume.id, {
    snapshot: bool(subvolume.source !== undefined),
    "read-only": bool(subvolume.readOnly),
    mounted: bool(false),
    fs: str(labelOf(pool)),
    "top-level": str(above === undefined ? top : nameOf(above)),
    // Of a snapshot whose parent is gone it is empty: the manual's clean-up script asks for its length.
    parent: str(source === undefined ? "" : nameOf(source)),
    name: str(nameOf(subvolume)),
    fullname: str(fullNameOf(pool, subvolume)),
    uuid: str(v5(`${subvolume.id}.${uuidOf(pool)}`)),
    "creation-time": str(dateText(subvolume.created)),
    "subvolume-id": num(firstSubvolumeId + subvolume.id)
  })
}

/** The menus of Btrfs, from RouterOS 7.18 on with the package rose-storage (RouterOS manual, Btrfs). */
export const btrfsMenus = (device: Device["Service"]): ReadonlyArray<MenuSpec> => {
  const { packages, version } = device.config
  return packages.includes("rose-storage") && isAtLeast(version, "7.18")
    ? [filesystems(device), subvolumes(device)]
    : []
}
