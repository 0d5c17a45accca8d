import { Effect } from "effect"

/** What is worked on before everything else in the process gets its turn: about a millisecond's worth. */
const batch = 50

/** Like `Effect.forEach`, for many items of little work each: lets other fibers and I/O go on between. */
export const forEachInterleaved = <A, B, E, R>(
  items: Iterable<A>,
  f: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<Array<B>, E, R> =>
  Effect.forEach(items, (item, i) => i % batch === batch - 1 ? Effect.tap(f(item), () => Effect.yieldNow) : f(item))
