import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import type { GenService } from "@bufbuild/protobuf/codegenv2"
import type { MethodDefinition } from "@grpc/grpc-js"
import { Effect, Result } from "effect"
import { InvalidArgument } from "../volume/Errors.ts"
import { Unimplemented } from "./Errors.ts"
import { type Answer, type Call, type Described, intercept } from "./Interceptor.ts"
import type { DriverError } from "./Status.ts"

/** A unary RPC of a generated service descriptor. CSI's Identity, Controller and Node have no other kind. */
export interface UnaryMethod {
  readonly methodKind: "unary"
  readonly input: DescMessage
  readonly output: DescMessage
}

/** The RPCs of a service by their name in lower camel case, as protoc-gen-es lists them. */
export type UnaryMethods = Record<string, UnaryMethod>

/** One RPC as an Effect program: typed request in, reply (defaults may be left out) or typed error out. */
export type Handler<Method extends UnaryMethod, R = never> = (
  request: MessageShape<Method["input"]>
) => Effect.Effect<MessageInitShape<Method["output"]>, DriverError, R>

/** The handlers of RPCs by name. An RPC without one answers `UNIMPLEMENTED`. */
export type MethodHandlers<Methods extends UnaryMethods, R = never> = {
  readonly [Name in keyof Methods]?: Handler<Methods[Name], R>
}

/** The handlers of a generated service, e.g. `Handlers<typeof Controller>`. */
export type Handlers<Service, R = never> = Service extends GenService<infer Methods extends UnaryMethods>
  ? MethodHandlers<Methods, R>
  : never

/** An RPC as grpc-js wants it: path (`/csi.v1.Controller/CreateVolume`) and protobuf encoders for both directions. */
export const methodDefinition = <Method extends UnaryMethod>(
  method: Method & DescMethod
): MethodDefinition<MessageShape<Method["input"]>, MessageShape<Method["output"]>> => {
  const input: Method["input"] = method.input
  const output: Method["output"] = method.output
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (request) => bufferOf(toBinary(input, request)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (reply) => bufferOf(toBinary(output, reply)),
    responseDeserialize: (bytes) => fromBinary(output, bytes)
  }
}

/** A Buffer over the same memory. */
const bufferOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** An RPC ready to be served: request bytes in, answer out; everything between is typed and logged. */
export interface Rpc<R> {
  readonly path: string
  readonly answer: (request: Buffer, call: Call) => Effect.Effect<Answer<EncodedReply>, never, R>
}

/** A reply and its bytes on the wire. */
export interface EncodedReply extends Described {
  readonly bytes: Buffer
}

/** Every RPC of a generated service; those without a handler answer `UNIMPLEMENTED`. */
export const rpcs = <Methods extends UnaryMethods, R = never>(
  service: GenService<Methods>,
  handlers: MethodHandlers<Methods, R>
): ReadonlyArray<Rpc<R>> => {
  const all: Array<Rpc<R>> = []
  for (const name in service.method) all.push(rpc<Methods[typeof name], R>(service.method[name], handlers[name]))
  return all
}

const rpc = <Method extends UnaryMethod, R>(
  method: Method & DescMethod,
  handler: Handler<Method, R> | undefined
): Rpc<R> => {
  const definition = methodDefinition<Method>(method)
  const input: Method["input"] = method.input
  const output: Method["output"] = method.output

  const reply = Effect.fnUntraced(function*(request: MessageShape<Method["input"]>) {
    if (handler === undefined) return yield* new Unimplemented({ method: method.name })
    const message = create(output, yield* handler(request))
    return { desc: output, message, bytes: definition.responseSerialize(message) }
  })

  const decode = (bytes: Buffer) =>
    Effect.try({
      try: () => definition.requestDeserialize(bytes),
      catch: () => new InvalidArgument({ field: "request", message: `the request is not a ${input.typeName} message` })
    })

  return {
    path: definition.path,
    answer: Effect.fnUntraced(function*(bytes, call) {
      const request = yield* Effect.result(decode(bytes))
      return yield* Result.isSuccess(request)
        ? intercept(method, call, { desc: input, message: request.success }, reply(request.success))
        : intercept(method, call, { desc: input, message: create(input) }, Effect.fail(request.failure))
    })
  }
}
