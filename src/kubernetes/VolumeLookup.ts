import { Effect, Exit, Latch, Request, RequestResolver } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { ClusterView } from "./ClusterView.ts"
import type { KubeReadError } from "./Errors.ts"
import { KubeApi } from "./KubeApi.ts"
import { type PersistentVolume, persistentVolumes } from "./Resources.ts"
import { inOrder } from "./VolumeRecord.ts"

/** The PersistentVolumes of a volume, found by its handle, in the order in which their records are written. */
export const makeVolumeLookup = Effect.gen(function*() {
  const api = yield* KubeApi
  const { driver, volumes } = yield* ClusterView

  const listed = yield* makeListing

  const isOf = (volumeId: VolumeId) => ({ spec }: PersistentVolume) =>
    spec.csi?.driver === driver && spec.csi.volumeHandle === volumeId

  const current = (name: string) =>
    api.get(persistentVolumes, { name }).pipe(
      Effect.tap(volumes.learn),
      Effect.map((volume): ReadonlyArray<PersistentVolume> => [volume]),
      Effect.catchTag("KubeNotFound", () => Effect.succeed([]))
    )

  /** One that was not heard of yet. A provisioned PersistentVolume is named like its handle, a static one as it likes. */
  const search = Effect.fnUntraced(function*(volumeId: VolumeId) {
    const namedSo = (yield* current(volumeId)).filter(isOf(volumeId))
    if (namedSo.length > 0) return namedSo
    return inOrder((yield* listed).filter(isOf(volumeId)))
  })

  const known = (volumeId: VolumeId) => inOrder(volumes.objects.having(volumeId))

  return {
    /** As last heard of. */
    known,
    /** As last heard of; asks only when nothing was heard. */
    peek: (volumeId: VolumeId) =>
      Effect.suspend(() => {
        const found = known(volumeId)
        return found.length > 0 ? Effect.succeed(found) : search(volumeId)
      }),
    /** As they are now. */
    read: Effect.fnUntraced(function*(volumeId: VolumeId) {
      const found = yield* Effect.forEach(known(volumeId), ({ metadata }) => current(metadata.name), {
        concurrency: "unbounded"
      })
      const present = found.flat().filter(isOf(volumeId))
      return present.length > 0 ? present : yield* search(volumeId)
    }),
    /** The PersistentVolume with this name; undefined when there is none. Immutable fields only: it may be behind. */
    named: Effect.fnUntraced(function*(name: string) {
      return volumes.objects.get(name) ?? (yield* current(name))[0]
    })
  }
})

class ListVolumes extends Request.TaggedClass("ListVolumes")<
  Record<never, never>,
  ReadonlyArray<PersistentVolume>,
  KubeReadError,
  never
> {}

/**
 * All PersistentVolumes, in a list that begins after it was asked for. Whoever asks while one is under way is answered by the
 * next: when many volumes are deleted at once, each is looked for after its PersistentVolume has gone.
 */
const makeListing = Effect.gen(function*() {
  const api = yield* KubeApi
  const free = yield* Latch.make(true)

  const answer = Effect.fnUntraced(function*(entries: ReadonlyArray<Request.Entry<ListVolumes>>) {
    const { items } = yield* api.list(persistentVolumes)
    for (const { completeUnsafe } of entries) completeUnsafe(Exit.succeed(items))
  })
  const resolver = RequestResolver.make<ListVolumes>((entries) =>
    Effect.acquireUseRelease(free.close, () => answer(entries), () => free.open)
  ).pipe(RequestResolver.setDelayEffect(Effect.andThen(Effect.yieldNow, free.await)))
  return Effect.request(new ListVolumes(), resolver)
})
