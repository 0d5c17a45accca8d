import { Effect } from "effect"
import { copyFile } from "../device/Copies.ts"
import type { Device } from "../device/Device.ts"
import { addFile, failure, removeFile, writeFile } from "../device/Files.ts"
import type { DeviceState, FileEntry } from "../device/Model.ts"
import { poolOf } from "../device/Paths.ts"
import { isAtLeast } from "../device/Version.ts"
import { id, nothing, num, str } from "../language/Value.ts"
import type { CommandSpec, MenuSpec, Row } from "../menu/Menu.ts"
import { cached, dateText, idNumber, row, textOf } from "./Values.ts"

/** Longest contents that `/file/get` answers (RouterOS manual, Files). */
const readableBytes = 60_000n

/** `/file`: names without leading slash; `type` has a blank and no quotes, as in `.img file` (RouterOS manual, Files). */
export const fileMenu = (device: Device["Service"]): MenuSpec => {
  const rowsOf = cached(fileRow)
  return {
    path: "/file",
    properties: [
      { name: "name", type: "file", settable: "add", required: true },
      { name: "type", type: "file", settable: "add" },
      { name: "size", type: "size" },
      { name: "last-modified", type: "file" },
      { name: "contents", type: "string", settable: "both", hidden: true }
    ],
    columns: ["name", "type", "size", "last-modified"],
    nameProperty: "name",
    policy: { read: "read", write: device.config.unsure.fileWrite },
    rows: Effect.map(device.state, (state) => [...mountPointRows(state), ...rowsOf(reachable(state))]),
    asValue: (row) =>
      new Map([...row].filter(([name]) => name !== "contents" || device.config.unsure.fileContents === "print")),
    add: Effect.fnUntraced(function*(given) {
      const type = textOf(given, "type") ?? "file"
      if (type !== "file" && type !== "directory") return yield* failure("type must be file or directory")
      const number = yield* addFile(device, {
        path: textOf(given, "name") ?? "",
        directory: type === "directory",
        contents: textOf(given, "contents") ?? ""
      })
      return id(BigInt(number))
    }),
    set: (item, given) => {
      const contents = textOf(given, "contents")
      return contents === undefined ? Effect.void : writeFile(device, idNumber(item), contents)
    },
    remove: Effect.fnUntraced(function*(item) {
      const { pools } = yield* device.state
      if (pools.some((pool) => pool.id === idNumber(item))) return yield* failure("can not remove a mount point")
      yield* removeFile(device, idNumber(item))
    }),
    commands: isAtLeast(device.config.version, "7.23") ? { copy: copy(device) } : {}
  }
}

/** `/file/copy source name=target`, from RouterOS 7.23 on (RouterOS manual, Files). */
const copy = (device: Device["Service"]): CommandSpec => ({
  policy: device.config.unsure.fileWrite,
  parameters: [{ name: "name", type: "file", required: true }],
  positional: ["numbers"],
  items: true,
  run: Effect.fnUntraced(function*({ arguments: given, items }) {
    const name = textOf(given, "name") ?? ""
    yield* Effect.forEach(items, (item) => copyFile(device, idNumber(item.get(".id")), name), { discard: true })
    return nothing
  })
})

const reachable = (state: DeviceState): ReadonlyArray<FileEntry> =>
  state.pools.every((pool) => pool.mounted)
    ? state.files
    : state.files.filter((entry) => poolOf(state, entry.path)?.mounted !== false)

const mountPointRows = ({ pools }: DeviceState): ReadonlyArray<Row> =>
  pools.filter((pool) => pool.mounted).map((pool) => row(pool.id, { name: str(pool.mountPoint), type: str("disk") }))

const fileRow = (entry: FileEntry): Row =>
  row(entry.id, {
    name: str(entry.path),
    type: str(typeText(entry)),
    size: entry.directory ? undefined : num(entry.sizeBytes),
    "last-modified": str(dateText(entry.lastModified)),
    contents: entry.directory || entry.sizeBytes > readableBytes ? undefined : str(entry.contents)
  })

const typeText = ({ directory, path }: FileEntry) => {
  if (directory) return "directory"
  const [extension = ""] = /\.[^./]+$/.exec(path) ?? []
  return extension === "" ? "file" : `${extension} file`
}
