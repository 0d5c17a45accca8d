import { Effect, FiberSet, type Scope } from "effect"
import { createServer, type ListenOptions, type Socket } from "node:net"
import { SimulatorError } from "./SimulatorError.ts"

/**
 * Listens until the scope closes and runs `serve` for each connection in a fiber of its own. When a connection closes its
 * fiber is interrupted; when the fiber ends the connection is closed. Answers the port (0 for a unix socket).
 */
export const listen = Effect.fnUntraced(function*(
  options: ListenOptions,
  serve: (socket: Socket) => Effect.Effect<void>
): Effect.fn.Return<number, SimulatorError, Scope.Scope> {
  const run = yield* FiberSet.makeRuntime<never, void>()
  const server = createServer({ noDelay: true }, (socket) => {
    // An error is always followed by close.
    socket.on("error", () => {})
    const fiber = run(Effect.ensuring(serve(socket), Effect.sync(() => socket.destroy())))
    socket.once("close", () => fiber.interruptUnsafe())
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, SimulatorError>((resume) => {
      server.once(
        "error",
        (error) => resume(Effect.fail(new SimulatorError({ message: `${nameOf(options)}: ${error.message}` })))
      )
      server.listen(options, () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
      })
  )
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
})

const nameOf = ({ host, path, port }: ListenOptions) => `cannot listen on ${path ?? `${host}:${port}`}`
