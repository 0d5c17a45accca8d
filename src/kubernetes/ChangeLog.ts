import { Effect, PubSub, Stream } from "effect"

/** A change that a cache has taken in. `Relisted` comes after a gap: anything may have changed meanwhile. */
export type CacheChange<A> =
  | { readonly _tag: "Put"; readonly object: A; readonly before: A | undefined }
  | { readonly _tag: "Removed"; readonly object: A }
  | { readonly _tag: "Relisted" }

/** Changes that a slow reader may fall behind. */
const maxBacklog = 1024

/** Changes for any number of readers. For one that falls too far behind, the oldest ones become one `Relisted`. */
export const makeChangeLog = Effect.fnUntraced(function*<A>() {
  const log = yield* PubSub.sliding<readonly [number: number, change: CacheChange<A>]>(maxBacklog)
  let count = 0
  return {
    publish: (change: CacheChange<A>) => Effect.suspend(() => PubSub.publish(log, [count++, change])),
    /** From now on; never ends. */
    changes: Stream.fromPubSub(log).pipe(
      Stream.mapAccum(
        () => -1,
        (last, [number, change]): readonly [number, ReadonlyArray<CacheChange<A>>] => [
          number,
          last < 0 || number === last + 1 ? [change] : [{ _tag: "Relisted" }, change]
        ]
      )
    )
  }
})
