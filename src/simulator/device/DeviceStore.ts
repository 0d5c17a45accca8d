import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { SimulatorError } from "../SimulatorError.ts"
import { makeGuests } from "./Guests.ts"
import { copyRange, copyWhole } from "./HostFiles.ts"
import { DeviceState, type FileEntry } from "./Model.ts"

const State = Schema.fromJsonString(DeviceState)

/** Bytes of one file that another takes over, as they are now, at the same place. Paths are in the form of `/file`. */
export interface Transfer {
  readonly from: string
  readonly to: string
  readonly offset: bigint
  readonly end: bigint
}

/** Where a device keeps its configuration and its files. */
export class DeviceStore extends Context.Service<DeviceStore, {
  /** What an earlier run left. */
  readonly load: Effect.Effect<Option.Option<DeviceState>, SimulatorError>
  /** Makes `after` durable: files that appeared, grew, changed or went, then the configuration. */
  commit(
    before: DeviceState | undefined,
    after: DeviceState,
    transfers: ReadonlyArray<Transfer>
  ): Effect.Effect<void>
  /** Where the file of that path (in the form of `/file`) is on this machine; undefined when it is only in memory. */
  hostPath(path: string): string | undefined
  /** A directory that stands for what the file system in an image holds; see {@link Guests}. */
  guestDirectory(id: number): Effect.Effect<string>
}>()("rds-csi/simulator/device/DeviceStore") {
  static readonly memory = Layer.effect(
    DeviceStore,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const guests = yield* makeGuests(fs, fs.makeTempDirectoryScoped({ prefix: "rds-csi-simulator-" }), false)
      return {
        load: Effect.succeedNone,
        commit: (before, after, transfers) => Effect.orDie(guests.follow(before, after, transfers)),
        hostPath: () => undefined,
        guestDirectory: (id) => Effect.orDie(guests.directory(id))
      }
    })
  )

  /**
   * `state.json` in the directory, replaced atomically, the files as sparse files under `files/`, and `guests/`. Layer construction
   * fails when the directory cannot be used; a failing write later is a defect.
   */
  static readonly directory = (directory: string) =>
    Layer.effect(
      DeviceStore,
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const stateFile = path.join(directory, "state.json")
        const hostPath = (name: string) => path.join(directory, "files", name)

        yield* fs.makeDirectory(hostPath(""), { recursive: true }).pipe(
          Effect.mapError((error) =>
            new SimulatorError({ message: `state directory ${directory} cannot be used: ${error.message}` })
          )
        )

        const guestRoot = path.join(directory, "guests")
        const hasGuests = yield* Effect.orElseSucceed(fs.exists(guestRoot), () => false)
        const guests = yield* makeGuests(fs, Effect.succeed(guestRoot), hasGuests)

        const load = Effect.gen(function*() {
          if (!(yield* fs.exists(stateFile))) return Option.none()
          return Option.some(yield* Schema.decodeEffect(State)(yield* fs.readFileString(stateFile)))
        }).pipe(
          Effect.mapError((error) => new SimulatorError({ message: `${stateFile} cannot be read: ${error.message}` }))
        )

        const writeState = Effect.fnUntraced(function*(state: DeviceState) {
          const text = yield* Effect.orDie(Schema.encodeEffect(State)(state))
          const fresh = `${stateFile}.new`
          yield* Effect.scoped(Effect.gen(function*() {
            const file = yield* fs.open(fresh, { flag: "w" })
            yield* file.writeAll(new TextEncoder().encode(text))
            yield* file.sync
          }))
          yield* fs.rename(fresh, stateFile)
        })

        const transfer = ({ from, offset, to, end }: Transfer, sizeBefore: bigint, sizeBytes: bigint) =>
          sizeBefore === 0n && offset === 0n && end === sizeBytes
            ? copyWhole(hostPath(from), hostPath(to), sizeBytes)
            : copyRange(hostPath(from), hostPath(to), offset, end)

        const writeFile = Effect.fnUntraced(
          function*(entry: FileEntry, before: FileEntry | undefined, transfers: ReadonlyArray<Transfer>) {
            const host = hostPath(entry.path)
            if (entry.directory) return yield* fs.makeDirectory(host, { recursive: true })
            yield* fs.makeDirectory(path.dirname(host), { recursive: true })
            // What a killed run has left there is not in its configuration, and no content of a new file.
            if (before === undefined) yield* fs.remove(host, { force: true })
            const sizeBefore = before?.sizeBytes ?? 0n
            yield* Effect.forEach(transfers, (one) => transfer(one, sizeBefore, entry.sizeBytes), { discard: true })
            if (transfers.length === 0 && entry.contents !== "") yield* fs.writeFileString(host, entry.contents)
            yield* resize(fs, host, entry.sizeBytes)
          }
        )

        const commit = Effect.fnUntraced(function*(
          before: DeviceState | undefined,
          after: DeviceState,
          transfers: ReadonlyArray<Transfer>
        ) {
          const { gone, old, written } = changes(before?.files ?? [], after.files)
          const sources = Map.groupBy(transfers, ({ to }) => to)
          yield* Effect.forEach(
            written,
            (entry) => writeFile(entry, old.get(entry.path), sources.get(entry.path) ?? []),
            { discard: true }
          )
          yield* guests.follow(before, after, transfers)
          yield* writeState(after)
          yield* Effect.forEach(gone, (entry) => fs.remove(hostPath(entry.path), { recursive: true, force: true }), {
            discard: true
          })
        }, Effect.orDie)

        const guestDirectory = (id: number) => Effect.orDie(guests.directory(id))
        return DeviceStore.of({ load, commit, hostPath, guestDirectory })
      })
    )
}

// Opening for append makes the file, truncate gives it its size without writing a block.
const resize = (fs: FileSystem.FileSystem, path: string, sizeBytes: bigint) =>
  Effect.andThen(Effect.scoped(fs.open(path, { flag: "a" })), fs.truncate(path, Number(sizeBytes)))

const changes = (before: ReadonlyArray<FileEntry>, after: ReadonlyArray<FileEntry>) => {
  const old = new Map(before === after ? [] : before.map((entry) => [entry.path, entry]))
  if (before === after) return { old, written: [], gone: [] }
  const current = new Set(after.map((entry) => entry.path))
  return {
    old,
    written: after.filter((entry) => old.get(entry.path) !== entry),
    gone: before.filter((entry) => !current.has(entry.path))
  }
}
