import { Deferred, Effect } from "effect"
import type { Power } from "../device/Power.ts"
import type { ExecRecord } from "../ExecLog.ts"
import type { Break } from "../faults/FaultPlan.ts"
import type { Client } from "./Client.ts"

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
