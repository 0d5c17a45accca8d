import { create, type DescMethod, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf"
import * as grpc from "@grpc/grpc-js"
import { Clock, Data, Duration, Effect, type Scope } from "effect"
import { methodDefinition, type UnaryMethod } from "../../src/csi/GrpcService.ts"

/** A gRPC status other than OK; `code` is its name, e.g. `NOT_FOUND`. */
export class RpcFailure extends Data.TaggedError("RpcFailure")<{
  readonly method: string
  readonly code: string
  readonly details: string
}> {
  override get message() {
    return `${this.method}: ${this.code}: ${this.details}`
  }
}

/** One connection, for every service behind it. */
export interface GrpcClient {
  /**
   * Calls an RPC of a generated service: `client.call(Controller.method.createVolume, { name: "pvc-1" })`. Interrupting the
   * effect cancels the call.
   */
  readonly call: <Method extends UnaryMethod>(
    method: Method & DescMethod,
    request: MessageInitShape<Method["input"]>,
    options?: { readonly deadline?: Duration.Input }
  ) => Effect.Effect<MessageShape<Method["output"]>, RpcFailure>
}

/** Connects, lazily, to `unix:///path` or `host:port`; the scope closes the connection. */
export const connect = (target: string): Effect.Effect<GrpcClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new grpc.Client(target, grpc.credentials.createInsecure(), {
        "grpc.default_authority": "localhost",
        "grpc.initial_reconnect_backoff_ms": 20,
        "grpc.max_reconnect_backoff_ms": 100,
        "grpc.max_receive_message_length": 16 * 1024 * 1024
      })
    ),
    (client) => Effect.sync(() => client.close())
  ).pipe(Effect.map((client): GrpcClient => ({ call: callOn(client) })))

const callOn = (client: grpc.Client): GrpcClient["call"] =>
  Effect.fnUntraced(function*<Method extends UnaryMethod>(
    method: Method & DescMethod,
    request: MessageInitShape<Method["input"]>,
    options?: { readonly deadline?: Duration.Input }
  ) {
    const input: Method["input"] = method.input
    const definition = methodDefinition<Method>(method)
    const now = yield* Clock.currentTimeMillis
    const deadline = options?.deadline === undefined
      ? {}
      : { deadline: now + Duration.toMillis(Duration.fromInputUnsafe(options.deadline)) }
    return yield* Effect.callback<MessageShape<Method["output"]>, RpcFailure>((resume) => {
      const call = client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        create(input, request),
        new grpc.Metadata(),
        deadline,
        (error, reply) =>
          resume(
            error === null && reply !== undefined
              ? Effect.succeed(reply)
              : Effect.fail(failure(method.name, error))
          )
      )
      return Effect.sync(() => call.cancel())
    })
  })

const failure = (method: string, error: grpc.ServiceError | null) =>
  new RpcFailure({
    method,
    code: grpc.status[error?.code ?? grpc.status.UNKNOWN],
    details: error?.details ?? "neither a reply nor an error"
  })
