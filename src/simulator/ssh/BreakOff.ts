import { Deferred, Duration, Effect } from "effect"
import { calm, type Conditions } from "../device/Conditions.ts"
import type { Power } from "../device/Power.ts"
import type { ExecRecord } from "../ExecLog.ts"
import type { FaultAction } from "../faults/FaultRule.ts"
import type { FiredFault } from "../faults/Faults.ts"
import { RosError } from "../menu/Menu.ts"
import type { Client } from "./Client.ts"

type Break = Extract<FaultAction, { readonly _tag: "Break" }>

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

/** Ends the fiber that runs the command, in the way of the fault; the client never sees an answer. */
export const breakOff = Effect.fnUntraced(function*(
  how: Break,
  client: Client,
  power: Power["Service"],
  note: (outcome: ExecRecord["outcome"]) => Effect.Effect<void>
) {
  switch (how.how) {
    case "cut":
      yield* note("cut")
      yield* client.drop
      break
    case "hang":
      yield* note("hung")
      yield* Deferred.await(client.closed)
      break
    case "reboot":
      yield* note("rebooted")
      yield* power.reboot(how.down)
  }
  return yield* Effect.interrupt
})

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
