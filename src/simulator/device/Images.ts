import { Effect, Option } from "effect"
import type { RosError } from "../menu/Menu.ts"
import type { Device } from "./Device.ts"
import { nqnOf } from "./ExportChanges.ts"
import { failure, readOnly } from "./Files.ts"
import type { FileEntry } from "./Model.ts"
import { filePath, isReadOnly } from "./Paths.ts"

/** The image that an initiator finds behind an NQN now. */
export const exportedImage = Effect.fnUntraced(function*(device: Device["Service"], nqn: string) {
  const served = yield* device.exports
  const { disks, files } = yield* device.state
  const nqnOfDisk = nqnOf(device.config.version)
  const disk = disks.find((candidate) => candidate.exported && nqnOfDisk(candidate) === nqn)
  if (disk === undefined || !served.some((target) => target.nqn === nqn)) return Option.none<FileEntry>()
  const path = filePath(disk.filePath)
  return Option.fromUndefinedOr(files.find((file) => file.path === path))
})

/** What a guest writes to an image, from its beginning on; the rest of the image is zeros then. */
export const writeImage = (device: Device["Service"], path: string, contents: string): Effect.Effect<void, RosError> =>
  device.change(Effect.fnUntraced(function*(state, now) {
    const image = state.files.find((file) => file.path === path)
    if (image === undefined || image.directory) return yield* failure("no such file")
    if (isReadOnly(state, path)) return yield* readOnly
    if (BigInt(Buffer.byteLength(contents)) > image.sizeBytes) return yield* failure("not enough space")
    const written = { ...image, contents, lastModified: now }
    return [undefined, { ...state, files: state.files.map((file) => file === image ? written : file) }] as const
  }))
