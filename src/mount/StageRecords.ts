import { Context, Effect, FileSystem, Layer, Option, Path, Ref, Schema } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { StageRecordFailed } from "./Errors.ts"
import { StageRecord } from "./StageRecord.ts"

/**
 * The stage records of this node, one for each volume. Reading never fails: a record that is missing, damaged or of another
 * version is None (and logged), and whoever asked goes by what the kernel shows.
 */
export class StageRecords extends Context.Service<StageRecords, {
  /** Replaces the volume's record as a whole; after a crash the old or the new one is there. */
  put(record: StageRecord): Effect.Effect<void, StageRecordFailed>
  get(id: VolumeId): Effect.Effect<Option.Option<StageRecord>>
  /** Whether there is a record of the volume at all, readable or not: a damaged one still says that it was staged. */
  has(id: VolumeId): Effect.Effect<boolean, StageRecordFailed>
  /** Absent to begin with is success. */
  remove(id: VolumeId): Effect.Effect<void, StageRecordFailed>
  /** Every readable record, sorted by volume id. */
  readonly list: Effect.Effect<ReadonlyArray<StageRecord>, StageRecordFailed>
}>()("rds-csi/mount/StageRecords") {
  /** Records that end with the process: for tests and for running without a node's own disk. */
  static readonly layerMemory = Layer.effect(
    StageRecords,
    Effect.map(Ref.make<ReadonlyMap<VolumeId, StageRecord>>(new Map()), (records) =>
      StageRecords.of({
        put: (record) => Ref.update(records, (all) => new Map(all).set(record.volumeId, record)),
        get: (id) => Effect.map(Ref.get(records), (all) => Option.fromUndefinedOr(all.get(id))),
        has: (id) => Effect.map(Ref.get(records), (all) => all.has(id)),
        remove: (id) => Ref.update(records, (all) => new Map([...all].filter(([key]) => key !== id))),
        list: Effect.map(Ref.get(records), (all) => [...all.values()].toSorted(byVolume))
      }))
  )

  /**
   * One JSON file for each volume, `<directory>/<volume id>.json`. The directory is made if missing; it must not be the one
   * of the CSI socket (CSI specification, "Filesystem": no other files beside the socket).
   */
  static readonly layerFiles = (directory: string) => Layer.effect(StageRecords, makeFiles(directory))
}

const byVolume = (a: StageRecord, b: StageRecord) => a.volumeId < b.volumeId ? -1 : 1

const Json = Schema.fromJsonString(StageRecord)
const suffix = ".json"

const makeFiles = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const fileOf = (id: VolumeId) => path.join(directory, `${id}${suffix}`)
  yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(
    Effect.mapError(failed("directory", `state directory ${directory} cannot be made`))
  )

  /** Makes what was renamed or removed in the directory durable. */
  const syncDirectory = Effect.scoped(Effect.flatMap(fs.open(directory, { flag: "r" }), (file) => file.sync))

  const put = Effect.fn("StageRecords.put")(function*(record: StageRecord) {
    const text = yield* Effect.orDie(Schema.encodeEffect(Json)(record))
    const temporary = `${fileOf(record.volumeId)}.new`
    yield* Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const file = yield* fs.open(temporary, { flag: "w", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(text))
        yield* file.sync
      }))
      yield* fs.rename(temporary, fileOf(record.volumeId))
      yield* syncDirectory
    }).pipe(Effect.mapError(failed(record.volumeId, `the stage record of volume ${record.volumeId} cannot be written`)))
  })

  const read = Effect.fnUntraced(function*(file: string) {
    return yield* fs.readFileString(file).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Json)),
      Effect.asSome,
      Effect.catchIf(
        (error) => error._tag === "PlatformError" && error.reason._tag === "NotFound",
        () => Effect.succeed(Option.none<StageRecord>())
      ),
      Effect.catch(({ message: error }) =>
        Effect.logWarning("stage record is unreadable; going by the kernel's state").pipe(
          Effect.annotateLogs({ file, error }),
          Effect.as(Option.none<StageRecord>())
        )
      )
    )
  })

  const remove = Effect.fn("StageRecords.remove")((id: VolumeId) =>
    fs.remove(fileOf(id), { force: true }).pipe(
      Effect.andThen(syncDirectory),
      Effect.mapError(failed(id, `the stage record of volume ${id} cannot be removed`))
    )
  )

  const has = (id: VolumeId) =>
    Effect.mapError(fs.exists(fileOf(id)), failed(id, `the stage record of volume ${id} cannot be looked for`))

  const list = fs.readDirectory(directory).pipe(
    Effect.mapError(failed("directory", `state directory ${directory} cannot be read`)),
    Effect.flatMap((names) =>
      Effect.forEach(names.filter((name) => name.endsWith(suffix)), (name) => read(path.join(directory, name)))
    ),
    Effect.map((records) => records.flatMap(Option.toArray).toSorted(byVolume))
  )

  return StageRecords.of({
    put,
    get: (id) => Effect.map(read(fileOf(id)), Option.filter((record) => record.volumeId === id)),
    has,
    remove,
    list
  })
})

const failed = (volumeId: string, problem: string) => (cause: { readonly message: string }) =>
  new StageRecordFailed({ volumeId, message: `${problem}: ${cause.message}` })
