import { Context, Effect, Layer } from "effect"
import { type FaultAction, type FaultPlace, type FaultRule, type InvalidFault, parseFaultRule } from "./FaultRule.ts"

/** A rule in force: `seen` commands or logins matched so far, of which it applied to `fired`. */
export interface ActiveFault {
  readonly number: number
  readonly rule: FaultRule
  readonly seen: number
  readonly fired: number
}

/** A fault that applies to the command, login or connection at hand. */
export interface FiredFault {
  readonly rule: string
  readonly action: FaultAction
}

/** Fault rules of one device. Asking whether a rule applies counts as a match, so ask once per command. */
export class Faults extends Context.Service<Faults, {
  /** Adds a rule written in the grammar of FaultRule.ts; answers its number. */
  add(rule: string): Effect.Effect<number, InvalidFault>
  readonly clear: Effect.Effect<void>
  /** Rules that may still apply. */
  readonly list: Effect.Effect<ReadonlyArray<ActiveFault>>
  /** Every fault of an exec line, or of a script in the background, in the order of the rules. */
  forText(place: FaultPlace, text: string, user: string): Effect.Effect<ReadonlyArray<FiredFault>>
  /** Whether this login is refused. */
  refusesLogin(user: string): Effect.Effect<boolean>
  /** Whether this connection is offered another host key. */
  readonly offersNewHostKey: Effect.Effect<boolean>
}>()("rds-csi/simulator/faults/Faults") {
  static readonly layer = Layer.sync(Faults, () => {
    let active: ReadonlyArray<ActiveFault> = []
    let added = 0

    const fire = (applies: (rule: FaultRule) => boolean) =>
      Effect.sync(() => {
        const fired: Array<FiredFault> = []
        active = active.flatMap((fault) => {
          if (!applies(fault.rule)) return [fault]
          const seen = fault.seen + 1
          if (seen < fault.rule.nth) return [{ ...fault, seen }]
          fired.push({ rule: fault.rule.text, action: fault.rule.action })
          const next = { ...fault, seen, fired: fault.fired + 1 }
          return next.fired < fault.rule.count ? [next] : []
        })
        return fired
      })

    return Faults.of({
      add: Effect.fnUntraced(function*(text) {
        const rule = yield* Effect.fromResult(parseFaultRule(text))
        added += 1
        active = [...active, { number: added, rule, seen: 0, fired: 0 }]
        return added
      }),
      clear: Effect.sync(() => {
        active = []
      }),
      list: Effect.sync(() => active),
      forText: (place, text, user) =>
        fire((rule) =>
          !atLogin(rule) && rule.place === place && (rule.match?.test(text) ?? true) && (rule.user ?? user) === user
        ),
      refusesLogin: (user) =>
        fire((rule) => rule.action._tag === "RefuseAuth" && (rule.user ?? user) === user).pipe(
          Effect.map((fired) => fired.length > 0)
        ),
      offersNewHostKey: fire((rule) => rule.action._tag === "NewHostKey").pipe(Effect.map((fired) => fired.length > 0))
    })
  })
}

const atLogin = (rule: FaultRule) => rule.action._tag === "RefuseAuth" || rule.action._tag === "NewHostKey"
