import { Deferred, Effect } from "effect"
import { Console } from "../Console.ts"
import { Volatile } from "../device/Volatile.ts"
import type { Caller } from "../menu/Menu.ts"
import type { Client } from "./Client.ts"

/** What a client's commands run as: its user, as the device knows that user now, and the job that its login is. */
export const makeCallers = Effect.gen(function*() {
  const console = yield* Console
  const memory = yield* Volatile

  return Effect.fnUntraced(function*({ closed, connection, user }: Client): Effect.fn.Return<Caller> {
    const logins = yield* memory.logins
    return {
      user,
      policies: yield* console.policiesOf(user),
      job: logins.find(({ number }) => number === connection)?.job,
      script: undefined,
      background: false,
      disconnected: Deferred.await(closed)
    }
  })
})
