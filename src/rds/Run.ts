import { Effect, Option } from "effect"
import type { ScriptFailed } from "./Errors.ts"
import type { ExecError } from "./Exec.ts"
import type { Facts } from "./Facts.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import type { RosScript } from "./RouterOs.ts"
import type { Limit } from "./SshPool.ts"

/** Runs an idempotent script on the appliance, again if its answer was lost. */
export type Run = (script: RosScript, limit: Limit) => Effect.Effect<Facts, ExecError>

/** What an operation of the client works with. */
export interface Context {
  readonly run: Run
  readonly config: RdsConfig
  /** RouterOS' version, as it was last told; empty before that. */
  readonly version: Effect.Effect<string>
}

/** Runs a script that only reads; `attempt` says what for. */
export const look = (run: Run, script: RosScript, attempt: string) =>
  run(script, "read").pipe(
    Effect.catchTag("ScriptFailed", (failure) => Effect.fail(refusal(attempt, Option.some(failure))))
  )

/**
 * Runs a script that changes something. One that RouterOS stopped is not undone: then `after` reports what is there
 * now, and that decides what the failure means.
 */
export const change = (run: Run, script: RosScript, after: RosScript, attempt: string) =>
  run(script, "write").pipe(
    Effect.map((facts) => ({ facts, failure: Option.none<ScriptFailed>() })),
    Effect.catchTag("ScriptFailed", (failure) =>
      Effect.map(look(run, after, attempt), (facts) => ({ facts, failure: Option.some(failure) })))
  )
