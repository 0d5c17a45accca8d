import { Data, type Duration, Effect, Option, Ref, Schedule } from "effect"

class NotYet extends Data.TaggedError("NotYet")<{ readonly state: string }> {}

/**
 * Waits for what other processes bring about, and answers it; `state` is what there is instead, for the message after too
 * long a time. Failures count as "not yet": an API server may be away, an object not made.
 */
export const eventually = <A, E extends { readonly message: string }, R>(
  what: string,
  look: Effect.Effect<Option.Option<A> | { readonly instead: unknown }, E, R>,
  limit: Duration.Input = "1 minute"
): Effect.Effect<A, never, R> =>
  Effect.gen(function*() {
    const last = yield* Ref.make("nothing was seen")
    const attempt = look.pipe(
      Effect.mapError(({ message }) => new NotYet({ state: message })),
      Effect.flatMap((seen) =>
        "instead" in seen
          ? Effect.fail(new NotYet({ state: JSON.stringify(seen.instead) }))
          : Effect.fromOption(seen).pipe(Effect.mapError(() => new NotYet({ state: "not there" })))
      ),
      Effect.tapError(({ state }) => Ref.set(last, state))
    )
    return yield* attempt.pipe(
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.flatMap(Ref.get(last), (state) => Effect.die(new Error(`${what}: ${state}`)))
      }),
      Effect.orDie
    )
  })

/** Waits until a condition holds. */
export const holds = <E extends { readonly message: string }, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
  limit?: Duration.Input
) =>
  eventually(
    what,
    Effect.map(condition, (isSo) => isSo ? Option.some(undefined) : { instead: "not so" }),
    limit
  )
