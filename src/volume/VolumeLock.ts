import { Context, Deferred, Duration, Effect, Layer, Option, RcMap, Schema, Scope, Semaphore } from "effect"

/** Another operation on the same volume or snapshot is running (gRPC ABORTED: the CO tries again later). */
export class VolumeBusy extends Schema.TaggedError<VolumeBusy>()("VolumeBusy", {
  key: Schema.String,
  message: Schema.String
}) {}

/**
 * One operation at a time for each key (a volume or snapshot id); different keys never wait for each other. The lock is
 * held for exactly as long as the effect runs, also when it fails or is interrupted. It is not re-entrant. An entry
 * lives only while somebody holds the lock or waits for it.
 */
export class VolumeLock extends Context.Service<VolumeLock, {
  /** Waits for its turn, first come first served, then runs the effect. Waiting is interruptible. */
  withLock(key: string): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Like `withLock`; fails with VolumeBusy when its turn has not come within that time. The effect itself may take longer. */
  withLockWithin(
    key: string,
    wait: Duration.Input
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | VolumeBusy, R>
  /** Runs the effect if the lock is free, and fails with VolumeBusy at once if not. */
  tryLock(key: string): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | VolumeBusy, R>
}>()("rds-csi/volume/VolumeLock") {
  static readonly layer = Layer.effect(
    VolumeLock,
    Effect.gen(function*() {
      const locks = yield* RcMap.make({ lookup: (_key: string) => Semaphore.make(1) })
      const using = <A, E, R>(key: string, use: (lock: Semaphore.Semaphore) => Effect.Effect<A, E, R>) =>
        Effect.scopedWith((scope) => Effect.flatMap(Scope.provide(RcMap.get(locks, key), scope), use))
      const withLock = (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        using(key, (lock) => lock.withPermit(effect))
      return VolumeLock.of({
        withLock,
        withLockWithin: (key, wait) =>
          Effect.fnUntraced(function*(effect) {
            const begun = yield* Deferred.make<void>()
            const waited = Effect.delay(Deferred.isDone(begun), wait).pipe(
              Effect.flatMap((isDone) => isDone ? Effect.never : Effect.fail(stillBusy(key, wait)))
            )
            const turn = withLock(key)(Effect.andThen(Deferred.succeed(begun, undefined), effect))
            return yield* Effect.raceFirst(turn, waited)
          }),
        tryLock: (key) => (effect) =>
          using(key, (lock) => lock.withPermitsIfAvailable(1)(effect)).pipe(
            Effect.flatMap(Option.match({
              onNone: () =>
                Effect.fail(
                  new VolumeBusy({
                    key,
                    message: `another operation on ${key} is running; try again when it has ended`
                  })
                ),
              onSome: Effect.succeed
            }))
          )
      })
    })
  )
}

const stillBusy = (key: string, wait: Duration.Input) =>
  new VolumeBusy({
    key,
    message:
      `other operations on ${key} have been running for ${
        Duration.format(Duration.fromInputUnsafe(wait))
      }; try again ` +
      "when they have ended"
  })
