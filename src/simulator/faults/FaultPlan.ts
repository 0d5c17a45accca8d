import { Duration, Effect } from "effect"
import { calm, type Conditions } from "../device/Conditions.ts"
import { RosError } from "../menu/Menu.ts"
import type { FaultAction } from "./FaultRule.ts"
import type { FiredFault } from "./Faults.ts"

export type Break = Extract<FaultAction, { readonly _tag: "Break" }>

/** What the faults that apply to one command do to it. */
export interface FaultPlan {
  /** The command starts that much later. */
  readonly delay: Duration.Duration
  /** Answered in place of running anything. */
  readonly answer: string | undefined
  readonly breaks: Break | undefined
  readonly errors: ReadonlyArray<Extract<FaultAction, { readonly _tag: "Error" }>>
  readonly poolFull: boolean
  readonly removeDelay: Duration.Duration
}

/** The faults together: delays add up; of several breaks and answers the first counts. */
export const planOf = (fired: ReadonlyArray<FiredFault>): FaultPlan => {
  const actions = fired.map(({ action }) => action)
  const of = <Tag extends FaultAction["_tag"]>(tag: Tag) =>
    actions.filter((action): action is Extract<FaultAction, { readonly _tag: Tag }> => action._tag === tag)
  const sum = (times: ReadonlyArray<{ readonly duration: Duration.Duration }>) =>
    times.reduce((total, { duration }) => Duration.sum(total, duration), Duration.zero)
  return {
    delay: sum(of("Delay")),
    answer: of("Answer")[0]?.text,
    breaks: of("Break")[0],
    errors: of("Error"),
    poolFull: of("PoolFull").length > 0,
    removeDelay: sum(of("SlowRemove"))
  }
}

/** The plan as the device meets it: its changes are counted, and fail or end the command where the plan says so. */
export const conditionsOf = (plan: FaultPlan, broken: Effect.Effect<never>): Conditions => {
  let begun = 0
  let done = 0
  return {
    ...calm,
    poolFull: plan.poolFull,
    removeDelay: plan.removeDelay,
    beforeChange: Effect.suspend(() => {
      begun += 1
      const error = plan.errors.find(({ step }) => step === begun)
      return error === undefined ? Effect.void : Effect.fail(new RosError({ message: error.text }))
    }),
    afterChange: Effect.suspend(() => {
      done += 1
      return plan.breaks?.moment === "during" && plan.breaks.step === done ? broken : Effect.void
    })
  }
}
