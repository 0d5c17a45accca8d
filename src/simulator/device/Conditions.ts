import { Context, Duration, Effect } from "effect"
import type { RosError } from "../menu/Menu.ts"

/** What the command at hand meets on the device. Fault rules set it for single commands. */
export interface Conditions {
  /** Runs before each change of the device; a failure is what the command fails with. */
  readonly beforeChange: Effect.Effect<void, RosError>
  /** Runs after each change of the device. */
  readonly afterChange: Effect.Effect<void>
  /** Pools show and have no free space. */
  readonly poolFull: boolean
  /** How long removing a file or a subvolume takes. */
  readonly removeDelay: Duration.Duration
}

export const calm: Conditions = {
  beforeChange: Effect.void,
  afterChange: Effect.void,
  poolFull: false,
  removeDelay: Duration.zero
}

export const CurrentConditions = Context.Reference<Conditions>("rds-csi/simulator/device/CurrentConditions", {
  defaultValue: () => calm
})
