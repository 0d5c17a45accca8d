import { Effect, Schedule } from "effect"
import type { RpcFailure } from "./GrpcClient.ts"

/** Codes after which the sidecars call again: the call may be running still, or its outcome is not known. */
const transient = ["ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"]

/** Calls again until it is done, as the sidecars do, only faster. */
export const insist = <A>(call: Effect.Effect<A, RpcFailure>) =>
  Effect.retry(call, {
    while: ({ code }) => transient.includes(code),
    schedule: Schedule.spaced("20 millis"),
    times: 300
  })
