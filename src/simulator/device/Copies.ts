import { Duration, Effect } from "effect"
import type { RosError } from "../menu/Menu.ts"
import { CurrentConditions } from "./Conditions.ts"
import type { Device } from "./Device.ts"
import { failure, placeFile } from "./Files.ts"
import type { DeviceState, FileEntry } from "./Model.ts"
import { diskPath, filePath, isWithin, poolOf } from "./Paths.ts"
import { allocatedBytes, freeBytes } from "./Space.ts"

/** How often more of a copy is there to be seen. */
const step = Duration.millis(100)

/** One file or directory to be copied, and where to. */
interface Part {
  readonly source: FileEntry
  readonly to: string
}

/**
 * `/file/copy`: a file, or a directory with everything below it, to a path where nothing is. It takes as long as the device's
 * `copyRate` says; whoever ends it on the way leaves what was copied until then. What is written to the source meanwhile is in the
 * copy or not, as it comes.
 */
export const copyFile = Effect.fnUntraced(function*(device: Device["Service"], id: number, name: string) {
  const { unsure } = device.config
  const state = yield* device.state
  const root = state.files.find((entry) => entry.id === id)
  const to = filePath(name)
  if (root === undefined) return yield* failure("no such file")
  if (isWithin(root.path, to) && root.path !== to) return yield* failure("can not copy a directory into itself")
  const isExported = state.disks.some((disk) => disk.exported && isWithin(diskPath(root.path), disk.filePath))
  if (isExported && unsure.copiedExport === "refuse") return yield* failure("file is in use, stop using it first")
  const [first, ...rest] = partsOf(state, root, to)
  if (first === undefined) return
  const begun = yield* begin(device, first)
  const copied = Effect.andThen(begun, Effect.forEach(rest, (part) => Effect.flatten(begin(device, part))))
  const undo = device.change((now) =>
    Effect.succeed([undefined, { ...now, files: now.files.filter(({ path }) => !isWithin(to, path)) }])
  )
  yield* unsure.failedCopy === "undo" ? Effect.tapError(copied, () => undo) : copied
})

const partsOf = ({ files }: DeviceState, root: FileEntry, to: string): ReadonlyArray<Part> => [
  { source: root, to },
  ...files.filter((entry) => entry !== root && isWithin(root.path, entry.path))
    .map((source) => ({ source, to: to + source.path.slice(root.path.length) }))
    .sort((a, b) => a.to < b.to ? -1 : 1)
]

/** Makes a part's target; answers what is left to do for it. */
const begin = Effect.fnUntraced(function*(device: Device["Service"], { source, to }: Part) {
  const { directory } = source
  if (!directory && device.config.unsure.copyTarget === "appears") return appear(device, source, to)
  const target = yield* device.change(Effect.fnUntraced(function*(state, now) {
    const empty = { path: to, directory, sizeBytes: 0n, contents: "", lastModified: now }
    const placed = yield* placeFile(state, device.config.unsure, empty)
    return [placed.nextIds.file - 1, placed] as const
  }))
  return directory ? Effect.void : grow(device, source.id, target)
})

const timeOf = ({ config: { copyRate } }: Device["Service"], bytes: bigint) =>
  Duration.millis(copyRate === undefined ? 0 : Number((bytes * 1000n + copyRate - 1n) / copyRate))

const appear = Effect.fnUntraced(function*(
  device: Device["Service"],
  { id, sizeBytes }: FileEntry,
  to: string
): Effect.fn.Return<void, RosError> {
  yield* Effect.sleep(timeOf(device, sizeBytes))
  yield* device.change(Effect.fnUntraced(function*(state, now) {
    const source = yield* fileWithId(state, id)
    const { contents, path: from, sizeBytes: end } = source
    const whole = { path: to, directory: false, sizeBytes: end, contents, lastModified: now }
    const placed = yield* placeFile(state, device.config.unsure, whole)
    return [undefined, placed, [{ from, to, offset: 0n, end }]] as const
  }))
})

/** Copies on until the target is as large as the source, which may grow itself. */
const grow = Effect.fnUntraced(function*(
  device: Device["Service"],
  sourceId: number,
  targetId: number
): Effect.fn.Return<void, RosError> {
  const { copyRate } = device.config
  const perStep = copyRate === undefined ? undefined : copyRate * BigInt(Duration.toMillis(step)) / 1000n
  const most = perStep === 0n ? 1n : perStep
  while (true) {
    const state = yield* device.state
    const left = (yield* fileWithId(state, sourceId)).sizeBytes - (yield* fileWithId(state, targetId)).sizeBytes
    if (left <= 0n) return
    const bytes = most !== undefined && most < left ? most : left
    yield* Effect.sleep(timeOf(device, bytes))
    yield* device.change((current, now) => append(current, sourceId, targetId, bytes, now))
  }
})

const append = Effect.fnUntraced(function*(
  state: DeviceState,
  sourceId: number,
  targetId: number,
  bytes: bigint,
  now: number
) {
  const source = yield* fileWithId(state, sourceId)
  const target = yield* fileWithId(state, targetId)
  const offset = target.sizeBytes
  const end = offset + bytes
  const pool = poolOf(state, target.path)
  const { poolFull } = yield* CurrentConditions
  if (pool?.mounted !== true) return yield* failure("file system is not mounted")
  if (poolFull || allocatedBytes(end) - allocatedBytes(offset) > freeBytes(state, pool)) {
    return yield* failure("not enough space")
  }
  // A character counts as a byte; all of them are there when all bytes are.
  const contents = target.contents + source.contents.slice(Number(offset), Number(end))
  const grown = { ...target, sizeBytes: end, contents, lastModified: now }
  const files = state.files.map((entry) => entry === target ? grown : entry)
  return [undefined, { ...state, files }, [{ from: source.path, to: target.path, offset, end }]] as const
})

/** Copies go on by number: a path may be another file's by now. */
const fileWithId = (state: DeviceState, id: number) => {
  const entry = state.files.find((candidate) => candidate.id === id)
  return entry === undefined ? failure("no such file") : Effect.succeed(entry)
}
