import { Effect, type FileSystem, type PlatformError, Scope } from "effect"
import type { Transfer } from "./DeviceStore.ts"
import type { DeviceState } from "./Model.ts"

/**
 * Directories that stand for what file systems inside of images hold, for initiators without a kernel that make no real ones.
 * They go the way of their image: a snapshot or a copy of the image gets a copy of it as it is then.
 */
export interface Guests {
  /** The directory of the image with that id, which is made. */
  directory(id: number): Effect.Effect<string, PlatformError.PlatformError>
  /** Follows a change of the device. */
  follow(
    before: DeviceState | undefined,
    after: DeviceState,
    transfers: ReadonlyArray<Transfer>
  ): Effect.Effect<void, PlatformError.PlatformError>
}

/** Keeps them in a directory, which is asked for when there is one to keep. `begun`: there may be some from an earlier run. */
export const makeGuests = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  root: Effect.Effect<string, PlatformError.PlatformError, Scope.Scope>,
  begun: boolean
): Effect.fn.Return<Guests, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const rootOnce = yield* Effect.cached(Effect.provideService(root, Scope.Scope, scope))
  let used = begun
  const pathOf = (id: number) => Effect.map(rootOnce, (path) => `${path}/${id}`)

  const copy = Effect.fnUntraced(function*(from: number | undefined, to: number | undefined) {
    if (from === undefined || to === undefined) return
    const source = yield* pathOf(from)
    const target = yield* pathOf(to)
    yield* fs.remove(target, { recursive: true, force: true })
    if (yield* fs.exists(source)) yield* fs.copy(source, target)
  })

  return {
    directory: Effect.fnUntraced(function*(id) {
      used = true
      const path = yield* pathOf(id)
      yield* fs.makeDirectory(path, { recursive: true })
      return path
    }),
    follow: Effect.fnUntraced(function*(before, after, transfers) {
      if (!used || before === undefined || before.files === after.files) return
      const old = new Map(before.files.map((file) => [file.path, file]))
      const current = new Map(after.files.map((file) => [file.path, file]))
      for (const { end, from, to } of transfers) {
        const source = old.get(from)
        if (source?.sizeBytes === end) yield* copy(source.id, current.get(to)?.id)
      }
      const gone = before.files.filter(({ id, path }) => current.get(path)?.id !== id)
      yield* Effect.forEach(
        gone,
        ({ id }) => Effect.flatMap(pathOf(id), (path) => fs.remove(path, { recursive: true, force: true })),
        { discard: true }
      )
    })
  }
})
