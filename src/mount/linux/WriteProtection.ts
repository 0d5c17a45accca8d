import { Effect, FileSystem } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import type { BlockDevice } from "../Mounter.ts"
import { deviceUnreadable, failed, limits, succeeds } from "./Programs.ts"

/**
 * Write protection of block devices, by the sysfs at `sysRoot` and blockdev(8). A program is run only to change something:
 * most devices are writable and wanted so.
 */
export const makeWriteProtection = Effect.fnUntraced(function*(sysRoot: string) {
  const fs = yield* FileSystem.FileSystem
  const command = yield* HostCommand

  const isReadOnly = (device: BlockDevice) =>
    Effect.mapBoth(fs.readFileString(`${sysRoot}/dev/block/${device.major}:${device.minor}/ro`), {
      onSuccess: (text) => text.trim() !== "0",
      onFailure: () => deviceUnreadable(device, "the kernel does not say whether it is read-only")
    })

  return {
    setReadOnly: Effect.fnUntraced(function*(device: BlockDevice, readOnly: boolean) {
      if ((yield* isReadOnly(device)) === readOnly) return
      const change = readOnly ? "--setro" : "--setrw"
      // It knows no "--"; the path of a device begins with a slash.
      yield* succeeds("blockdev")(command.run("blockdev", [change, device.path], { limit: limits.quick }))
      if ((yield* isReadOnly(device)) === readOnly) return
      return yield* failed("blockdev", `${device.path} is ${readOnly ? "still writable" : "write-protected"}`)
    })
  }
})
