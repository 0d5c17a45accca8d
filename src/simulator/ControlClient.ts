import { Effect, Schema } from "effect"
import { createConnection } from "node:net"
import { SimulatorError } from "./SimulatorError.ts"

const Reply = Schema.fromJsonString(
  Schema.Union([
    Schema.StructWithRest(Schema.Struct({ ok: Schema.Literal(true) }), [Schema.Record(Schema.String, Schema.Unknown)]),
    Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })
  ])
)

/** A simulator that answers at all answers at once. */
const limit = "5 seconds"

/**
 * Asks the simulator behind the control socket one thing, such as `{ op: "state" }`; answers the reply's fields. Fails with
 * the simulator's own message, or with why it could not be asked.
 */
export const control = Effect.fn("Simulator.control")(function*(
  path: string,
  request: { readonly op: string; readonly [argument: string]: unknown }
): Effect.fn.Return<Readonly<Record<string, unknown>>, SimulatorError> {
  const unanswered = (reason: string) => new SimulatorError({ message: `control socket ${path}: ${reason}` })
  const line = yield* exchange(path, `${JSON.stringify(request)}\n`).pipe(
    Effect.mapError(unanswered),
    Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(unanswered("no answer")) })
  )
  const reply = yield* Effect.mapError(Schema.decodeEffect(Reply)(line), (error) => unanswered(error.message))
  return reply.ok ? reply : yield* new SimulatorError({ message: reply.error })
})

const exchange = (path: string, line: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() => createConnection(path).setEncoding("utf8")),
    (socket) =>
      Effect.callback<string, string>((resume) => {
        let received = ""
        socket.on("data", (text: string) => {
          received += text
          const end = received.indexOf("\n")
          if (end >= 0) resume(Effect.succeed(received.slice(0, end)))
        })
        socket.on("error", (error) => resume(Effect.fail(error.message)))
        socket.on("close", () => resume(Effect.fail("closed without an answer")))
        socket.write(line)
      }),
    (socket) => Effect.sync(() => socket.destroy())
  )
