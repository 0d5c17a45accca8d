import { Effect } from "effect"
import { CurrentConditions } from "../device/Conditions.ts"
import type { Device } from "../device/Device.ts"
import { nqnOf } from "../device/ExportChanges.ts"
import { addFileDisk, type FileDiskChange, removeFileDisk, setFileDisk } from "../device/FileDisks.ts"
import { failure } from "../device/Files.ts"
import type { DeviceState, FileDisk } from "../device/Model.ts"
import { parseId } from "../language/Literal.ts"
import { id } from "../language/Value.ts"
import { type Arguments, type MenuSpec, noSuchItem } from "../menu/Menu.ts"
import { diskAsValue } from "./DiskAsValue.ts"
import { diskProperties } from "./DiskProperties.ts"
import { fileDiskRow, poolRow } from "./DiskRows.ts"
import { monitorTraffic } from "./MonitorTraffic.ts"
import { boolOf, cached, idNumber, numOf, present, textOf } from "./Values.ts"

/** `/disk`: pools and file disks (RouterOS manual, Disks and NVMe over TCP). */
export const diskMenu = (device: Device["Service"]): MenuSpec => {
  const nqn = nqnOf(device.config.version)
  const fileRows = cached((disk: FileDisk) => fileDiskRow(disk, nqn(disk)))
  const isPool = (state: DeviceState, number: number) => state.pools.some((pool) => pool.id === number)

  return {
    path: "/disk",
    properties: diskProperties(device.config),
    columns: ["slot", "model", "size", "free", "fs"],
    nameProperty: "slot",
    policy: { read: "read", write: "write" },
    rows: Effect.gen(function*() {
      const state = yield* device.state
      const { poolFull } = yield* CurrentConditions
      return [...state.pools.map((pool) => poolRow(state, pool, poolFull)), ...fileRows(state.disks)]
    }),
    asValue: diskAsValue(device.config.unsure),
    add: Effect.fnUntraced(function*(given) {
      if (textOf(given, "type") !== "file") {
        return yield* failure("only disks of type=file can be added to a simulated device")
      }
      const settings = yield* settingsOf(device, textOf(given, "copy-from"))
      return id(BigInt(yield* addFileDisk(device, { ...settings, ...changeOf(given) })))
    }),
    set: Effect.fnUntraced(function*(item, given) {
      const number = idNumber(item)
      if ((textOf(given, "type") ?? "file") !== "file") return yield* failure("type can not be changed")
      if (isPool(yield* device.state, number)) return yield* failure("pools of a simulated device can not be changed")
      yield* setFileDisk(device, number, changeOf(given))
    }),
    remove: Effect.fnUntraced(function*(item) {
      const number = idNumber(item)
      if (isPool(yield* device.state, number)) return yield* failure("could not unmount, stop using it first")
      yield* removeFileDisk(device, number)
    }),
    commands: { "monitor-traffic": monitorTraffic }
  }
}

/** `copy-from` takes the settings of another item as defaults (RouterOS manual, Scripting: common commands). Never its data. */
const settingsOf = Effect.fnUntraced(function*(device: Device["Service"], name: string | undefined) {
  if (name === undefined) return {}
  const { disks } = yield* device.state
  const number = parseId(name)
  const source = disks.find((disk) => disk.slot === name || BigInt(disk.id) === number)
  if (source === undefined) return yield* noSuchItem
  const { id: _, ...settings } = source
  return settings
})

const changeOf = (given: Arguments): FileDiskChange => {
  const port = numOf(given, "nvme-tcp-server-port")
  return present({
    comment: textOf(given, "comment"),
    disabled: boolOf(given, "disabled"),
    slot: textOf(given, "slot"),
    filePath: textOf(given, "file-path"),
    fileSize: numOf(given, "file-size"),
    fileOffset: numOf(given, "file-offset"),
    mountFilesystem: boolOf(given, "mount-filesystem"),
    mountReadOnly: boolOf(given, "mount-read-only"),
    mountPointTemplate: textOf(given, "mount-point-template"),
    compress: boolOf(given, "compress"),
    swap: boolOf(given, "swap"),
    exported: boolOf(given, "nvme-tcp-export"),
    port: port === undefined ? undefined : Number(port),
    nqn: textOf(given, "nvme-tcp-server-nqn"),
    allowHostName: textOf(given, "nvme-tcp-server-allow-host-name"),
    password: textOf(given, "nvme-tcp-server-password")
  })
}
