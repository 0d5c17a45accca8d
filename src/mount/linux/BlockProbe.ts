import { Effect, FileSystem, Option } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import type { DeviceUnreadable } from "../Errors.ts"
import type { BlockDevice, DeviceContent } from "../Mounter.ts"
import { complaint, deviceUnreadable, limits } from "./Programs.ts"

/** What is on a block device. */
export interface BlockProbe {
  probe(device: BlockDevice): Effect.Effect<DeviceContent, DeviceUnreadable>
  /** Fails unless the device's name and its number belong together now: names change hands when connections are lost. */
  isSame(device: BlockDevice): Effect.Effect<void, DeviceUnreadable>
}

const mebibyte = 1n << 20n
/** The unit of `size` in sysfs, whatever the device's own block size. */
const sector = 512n

/** Probes devices named below `devRoot` with the sysfs at `sysRoot`. */
export const makeBlockProbe = Effect.fnUntraced(
  function*({ devRoot, sysRoot }: { readonly devRoot: string; readonly sysRoot: string }) {
    const fs = yield* FileSystem.FileSystem
    const command = yield* HostCommand

    const run = (device: BlockDevice, program: string, args: ReadonlyArray<string>) =>
      Effect.mapError(
        command.run(program, args, { limit: limits.read }),
        ({ message }) => deviceUnreadable(device, message)
      )

    const attribute = (device: BlockDevice, name: string) =>
      Effect.mapError(
        fs.readFileString(`${sysRoot}/dev/block/${device.major}:${device.minor}/${name}`),
        () => deviceUnreadable(device, `there is no block device ${device.major}:${device.minor}`)
      )

    const isSame = Effect.fnUntraced(function*(device: BlockDevice) {
      const [, name] = /^DEVNAME=(.+)$/m.exec(yield* attribute(device, "uevent")) ?? []
      if (`${devRoot}/${name}` === device.path) return
      const { major, minor } = device
      return yield* deviceUnreadable(device, `block device ${major}:${minor} is ${name} now`)
    })

    /** blkid(8), "EXIT STATUS". 2 says "found nothing" and "could not read" alike, so the device is read then. */
    const probe = Effect.fnUntraced(function*(device: BlockDevice) {
      yield* isSame(device)
      const found = yield* run(device, "blkid", ["-p", "-o", "export", "--", device.path])
      if (found.code === 0) return contentOf(parseTags(found.stdout))
      if (found.code === 2) return yield* blank(device)
      if (found.code === 8) return { _tag: "Foreign", what: "several signatures that contradict each other" } as const
      return yield* deviceUnreadable(device, complaint(found))
    })

    /** Without a signature, the device is blank if its first and last MiB can be read and are all zero. */
    const blank = Effect.fnUntraced(function*(device: BlockDevice) {
      const size = BigInt((yield* attribute(device, "size")).trim()) * sector
      if (size < mebibyte) return yield* deviceUnreadable(device, `it is ${size} bytes small`)
      const ends = yield* Effect.forEach([0n, size - mebibyte], (offset) => isZero(device, offset), { concurrency: 2 })
      return ends.every((zero) => zero)
        ? { _tag: "Empty" } as const
        : { _tag: "Foreign", what: "data without a known signature" } as const
    })

    /** cmp(1): 0 same, 1 different or shorter, 2 trouble. */
    const isZero = Effect.fnUntraced(function*(device: BlockDevice, offset: bigint) {
      const args = [`--bytes=${mebibyte}`, `--ignore-initial=${offset}:0`, "--", device.path, "/dev/zero"]
      const result = yield* run(device, "cmp", args)
      if (result.code === 0) return true
      if (result.code === 1 && result.stderr === "") return false
      return yield* deviceUnreadable(device, complaint(result))
    })

    return { probe, isSame } satisfies BlockProbe
  }
)

/** blkid's `export` format: `KEY=value` lines, values with backslashes before special characters. */
const parseTags = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split("\n").flatMap((line) => {
      const [, key, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? []
      return key === undefined || value === undefined ? [] : [[key, value.replace(/\\(.)/g, "$1")] as const]
    })
  )

/**
 * Only what libblkid counts as a file system is one; members of LVM or RAID sets, encrypted containers, swap space and
 * partition tables are signatures too. Next to a file system an old partition table does not matter.
 */
const contentOf = (tags: ReadonlyMap<string, string>): DeviceContent => {
  const [type, table] = [tags.get("TYPE"), tags.get("PTTYPE")]
  if (type !== undefined && tags.get("USAGE") === "filesystem") {
    return { _tag: "Formatted", fsType: type, uuid: tags.get("UUID") ?? "" }
  }
  const what = type ?? Option.match(Option.fromUndefinedOr(table), {
    onNone: () => "an unknown signature",
    onSome: (name) => `a partition table (${name})`
  })
  return { _tag: "Foreign", what }
}
