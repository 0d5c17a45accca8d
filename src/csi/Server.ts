import * as grpc from "@grpc/grpc-js"
import { Cause, Deferred, Duration, Effect, Exit, FiberSet, type FileSystem, Schema, type Scope } from "effect"
import { type Endpoint, formatEndpoint, formatHostPort } from "./Endpoint.ts"
import type { EncodedReply, Rpc } from "./GrpcService.ts"
import { type Answer, internal, stopping } from "./Interceptor.ts"
import type { Status } from "./Status.ts"
import { listenUnix, type SocketUnavailable } from "./UnixSocket.ts"

/** The server cannot listen; `message` names the endpoint and the reason. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", { message: Schema.String }) {}

/** What to serve and where. */
export interface ServerOptions<R> {
  readonly endpoint: Endpoint
  readonly rpcs: ReadonlyArray<Rpc<R>>
  /** How long running calls may take to end when the scope closes, before they are interrupted. */
  readonly drainTimeout: Duration.Duration
}

/** CSI sets no bound; the sidecars take lists of this size. */
const maxMessageBytes = 16 * 1024 * 1024

/** Interrupted calls have this long to clean up before their connections are cut. */
const abandonAfter = "2 seconds"

/**
 * Serves CSI until the scope closes; answers the endpoint it listens on (the port that the system chose for `tcp://…:0`).
 *
 * Each call runs in a fiber of its own, which a client's cancel or deadline interrupts: that call alone, with no other effect.
 * When the scope closes, the socket disappears, no new calls are taken, running ones get `drainTimeout` to end, and what
 * is left is interrupted and answered `UNAVAILABLE`. A handler's uninterruptible section is waited for: it is where a half-done
 * change would do harm, and has a time limit of its own. Whatever the handlers use must outlive this scope.
 */
export const serve = Effect.fn("Server.serve")(function*<R>(
  { endpoint, rpcs, drainTimeout }: ServerOptions<R>
): Effect.fn.Return<Endpoint, ListenFailed | SocketUnavailable, R | FileSystem.FileSystem | Scope.Scope> {
  const calls = yield* FiberSet.make<Answer<EncodedReply>>()
  const run = yield* FiberSet.runtime(calls)<R>()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new grpc.Server({
        "grpc.max_receive_message_length": maxMessageBytes,
        "grpc.max_send_message_length": maxMessageBytes
      })
    ),
    (server) => drain(server, calls, drainTimeout)
  )
  for (const rpc of rpcs) register(server, rpc, run)
  const bound = yield* listen(server, endpoint)
  yield* Effect.logInfo(`serving CSI on ${formatEndpoint(bound)}`)
  return bound
})

type Run<R> = (effect: Effect.Effect<Answer<EncodedReply>, never, R>) => {
  addObserver(observer: (exit: Exit.Exit<Answer<EncodedReply>>) => void): void
  interruptUnsafe(): void
}

const register = <R>(server: grpc.Server, rpc: Rpc<R>, run: Run<R>) => {
  const handle: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const fiber = run(rpc.answer(call.request, {
      deadline: Number(call.getDeadline()),
      cancelled: () => call.cancelled
    }))
    call.on("cancelled", () => fiber.interruptUnsafe())
    fiber.addObserver((exit) => respond(callback, exit))
  }
  // Requests and replies stay bytes for grpc-js: decoding them in the call's fiber lets the interceptor see every failure.
  server.register(rpc.path, handle, (bytes: Buffer) => bytes, (bytes: Buffer) => bytes, "unary")
}

const respond = (callback: grpc.sendUnaryData<Buffer>, exit: Exit.Exit<Answer<EncodedReply>>) => {
  if (Exit.isFailure(exit)) return refuse(callback, Cause.hasInterruptsOnly(exit.cause) ? stopping : internal)
  if (exit.value._tag === "Refusal") return refuse(callback, exit.value.status)
  callback(null, exit.value.reply.bytes)
}

const refuse = (callback: grpc.sendUnaryData<Buffer>, { code, message }: Status) =>
  callback({ code: grpc.status[code], details: message })

const listen = Effect.fnUntraced(function*(server: grpc.Server, endpoint: Endpoint) {
  const bind = (target: string) =>
    bindAsync(server, target).pipe(
      Effect.mapError((why) => new ListenFailed({ message: `cannot listen on ${formatEndpoint(endpoint)}: ${why}` }))
    )
  if (endpoint._tag === "Tcp") return { ...endpoint, port: yield* bind(formatHostPort(endpoint)) }
  yield* listenUnix(endpoint.path, (path) => Effect.asVoid(bind(`unix:${path}`)))
  return endpoint
})

/** Answers the port, or fails with the reason. */
const bindAsync = (server: grpc.Server, target: string) =>
  Effect.callback<number, string>((resume) => {
    server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, port) => {
      resume(error === null ? Effect.succeed(port) : Effect.fail(error.message))
    })
  })

const drain = Effect.fnUntraced(function*<A>(
  server: grpc.Server,
  calls: FiberSet.FiberSet<A>,
  drainTimeout: Duration.Duration
) {
  const closed = Deferred.makeUnsafe<void>()
  server.tryShutdown(() => Deferred.doneUnsafe(closed, Exit.void))
  const drained = Effect.timeoutOption(Deferred.await(closed), drainTimeout)
  if ((yield* drained)._tag === "Some") return
  const running = yield* FiberSet.size(calls)
  yield* Effect.logWarning(`${running} calls still running after ${Duration.format(drainTimeout)}: interrupting them`)
  yield* FiberSet.clear(calls).pipe(
    Effect.andThen(Deferred.await(closed)),
    Effect.timeoutOrElse({ duration: abandonAfter, orElse: () => Effect.sync(() => server.forceShutdown()) })
  )
})
