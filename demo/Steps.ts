import { Cause, Clock, Context, Data, Effect, Exit, Layer, Option, Ref, Runtime } from "effect"
import * as Screen from "./Screen.ts"

/** Something did not end as a user wants it; the screen has told so. */
export class Unexpected extends Data.TaggedError("Unexpected")<{ readonly message: string }> {
  override readonly [Runtime.errorReported] = false
}

/** Fails the step when the condition does not hold. */
export const expect = (condition: boolean, message: string): Effect.Effect<void, Unexpected> =>
  condition ? Effect.void : Effect.fail(new Unexpected({ message }))

/** Runs the steps of the story one by one, shows each, and counts those that failed. */
export class Steps extends Context.Service<Steps, {
  /** Runs the step and shows its title, its time and what it answers; then the line that went over SSH for it. */
  step<E, R>(title: string, run: Effect.Effect<string, E, R>): Effect.Effect<void, never, R>
  readonly failures: Effect.Effect<number>
}>()("rds-csi/demo/Steps") {
  /** `wire` answers the SSH lines since it was last asked. */
  static readonly layer = (wire: Effect.Effect<ReadonlyArray<string>>) =>
    Layer.effect(
      Steps,
      Effect.map(Ref.make(0), (failures) =>
        Steps.of({
          step: Effect.fnUntraced(function*<E, R>(title: string, run: Effect.Effect<string, E, R>) {
            const start = yield* Clock.currentTimeMillis
            const exit = yield* Effect.exit(run)
            const millis = (yield* Clock.currentTimeMillis) - start
            if (Exit.isSuccess(exit)) yield* Screen.passed(title, millis, exit.value)
            else {
              yield* Ref.update(failures, (n) => n + 1)
              yield* Screen.failed(title, reason(exit.cause))
            }
            yield* Option.match(mostTelling(yield* wire), { onNone: () => Effect.void, onSome: Screen.wire })
          }),
          failures: Ref.get(failures)
        }))
    )
}

const shownCharacters = 110

const reason = (cause: Cause.Cause<unknown>) =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => Cause.pretty(cause),
    onSome: (error) => error instanceof Error ? error.message : String(error)
  })

const acting = /\/disk\/(?:add|set|remove)|\/disk\/btrfs\/subvolume\/add fs="/
const reading = /\/disk\/print/

/** Of these scripts the last one that acts, or else the last one that reads, from where it does so. */
const mostTelling = (lines: ReadonlyArray<string>) =>
  Option.map(
    Option.fromUndefinedOr(lines.findLast((line) => acting.test(line)) ?? lines.findLast((line) => reading.test(line))),
    (line) => {
      const text = line.slice(line.search(acting.test(line) ? acting : reading))
      return text.length > shownCharacters ? `${text.slice(0, shownCharacters)} …` : text
    }
  )
