import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf"
import { isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect"
import { Cause, Clock, Effect, Exit, LogLevel, Metric, Option } from "effect"
import {
  grpcRequestDurationSeconds,
  grpcRequestsInFlight,
  grpcRequestsTotal,
  secondsBetween
} from "../observability/Metrics.ts"
import { printable } from "./Printable.ts"
import { redact } from "./Redaction.ts"
import { type DriverError, type Status, toStatus } from "./Status.ts"

/** A call as the transport sees it while it runs. */
export interface Call {
  /** Milliseconds since the epoch; `Infinity` when the client set none. */
  readonly deadline: number
  /** Whether the client gave up or the deadline passed. */
  readonly cancelled: () => boolean
}

/** A message together with its descriptor. */
export interface Described<Desc extends DescMessage = DescMessage> {
  readonly desc: Desc
  readonly message: MessageShape<Desc>
}

/** How a call ends: the reply, or the status of an error. */
export type Answer<Reply> =
  | { readonly _tag: "Reply"; readonly reply: Reply }
  | { readonly _tag: "Refusal"; readonly status: Status }

/**
 * The one place that every call goes through: span, metrics, one log line, and whichever way the handler ends turned into an
 * answer. Interrupting it interrupts the handler, waits for the handler's finalizers, and answers all the same.
 *
 * A defect answers `INTERNAL` with a fixed text, and its cause goes to the log only. The line is at Info for calls that change
 * something, at Debug for those that only look, at Warn for refusals and at Error for defects. Request and reply are in it
 * only while Debug is on, and never with secrets.
 */
export const intercept = <Reply extends Described, R>(
  method: DescMethod,
  call: Call,
  request: Described,
  handler: Effect.Effect<Reply, DriverError, R>
): Effect.Effect<Answer<Reply>, never, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const start = yield* Clock.currentTimeNanos
      yield* Metric.modify(inFlight(method), 1)
      const exit = yield* Effect.exit(restore(Effect.withSpan(handler, method.name, spanOf(method))))
      yield* Metric.modify(inFlight(method), -1)
      const seconds = secondsBetween(start, yield* Clock.currentTimeNanos)
      const answer = answerOf(exit, call, yield* Clock.currentTimeMillis)
      yield* measure(method, answer, seconds)
      yield* log(method, answer, seconds, request, exit)
      return answer
    }).pipe(Effect.annotateLogs({ rpc: method.name, ...identifiers(reflect(request.desc, request.message)) }))
  )

const inFlight = (method: DescMethod) => Metric.withAttributes(grpcRequestsInFlight, { method: method.name })

const spanOf = (method: DescMethod) => ({
  kind: "server",
  attributes: { "rpc.system": "grpc", "rpc.service": method.parent.typeName, "rpc.method": method.name }
} as const)

const answerOf = <Reply>(exit: Exit.Exit<Reply, DriverError>, call: Call, now: number): Answer<Reply> => {
  if (Exit.isSuccess(exit)) return { _tag: "Reply", reply: exit.value }
  if (Cause.hasDies(exit.cause)) return refusal(internal)
  return refusal(Option.match(Cause.findErrorOption(exit.cause), {
    onSome: toStatus,
    onNone: () => interrupted(call, now)
  }))
}

const refusal = (status: Status) => ({ _tag: "Refusal", status } as const)

/** Says nothing about the defect: the text may hold anything. */
export const internal: Status = { code: "INTERNAL", message: "internal error of the driver; its log has the cause" }

/** The call was interrupted, but not by its client. */
export const stopping: Status = { code: "UNAVAILABLE", message: "the driver is stopping; try again" }

/**
 * gRPC sends a deadline as the time that is left, so ours is late by the request's way here, and the client cancels at its own.
 */
const deadlineSlackMillis = 50

const interrupted = (call: Call, now: number): Status => {
  if (!call.cancelled()) return stopping
  return now + deadlineSlackMillis >= call.deadline
    ? { code: "DEADLINE_EXCEEDED", message: "the deadline passed before the call was done; it may have had effects" }
    : { code: "CANCELLED", message: "the client cancelled the call; it may have had effects" }
}

const codeOf = (answer: Answer<unknown>) => answer._tag === "Reply" ? "OK" : answer.status.code

const measure = Effect.fnUntraced(function*(method: DescMethod, answer: Answer<unknown>, seconds: number) {
  const attributes = { method: method.name }
  yield* Metric.update(Metric.withAttributes(grpcRequestsTotal, { ...attributes, code: codeOf(answer) }), 1)
  yield* Metric.update(Metric.withAttributes(grpcRequestDurationSeconds, attributes), seconds)
})

const log = Effect.fnUntraced(function*(
  method: DescMethod,
  answer: Answer<Described>,
  seconds: number,
  request: Described,
  exit: Exit.Exit<unknown, unknown>
) {
  const debug = yield* LogLevel.isEnabled("Debug")
  const level = levelOf(method, answer)
  const line = Effect.logWithLevel(level)(`${method.name} ${codeOf(answer)}`, ...causeOf(level, exit))
  yield* Effect.annotateLogs(line, {
    code: codeOf(answer),
    ms: Math.round(seconds * 1e3),
    ...(answer._tag === "Reply" ? identifiers(reflect(answer.reply.desc, answer.reply.message)) : {}),
    ...(answer._tag === "Refusal" ? { error: answer.status.message } : {}),
    ...(debug ? { request: redact(request.desc, request.message) } : {}),
    ...(debug && answer._tag === "Reply" ? { reply: redact(answer.reply.desc, answer.reply.message) } : {})
  })
})

const levelOf = (method: DescMethod, answer: Answer<unknown>) => {
  if (answer._tag === "Refusal") return answer.status.code === "INTERNAL" ? "Error" : "Warn"
  return looksOnly.test(method.name) ? "Debug" : "Info"
}

/** RPCs that change nothing; orchestrators call some of them every few seconds. */
const looksOnly = /^(?:Probe$|Validate|(?:Controller|Node)?(?:Get|List))/

/** Errors are told by their message; a defect needs its stack. */
const causeOf = (level: "Error" | "Warn" | "Info" | "Debug", exit: Exit.Exit<unknown, unknown>) =>
  level === "Error" && Exit.isFailure(exit) ? [exit.cause] : []

/** Fields that say which object a call is about. */
const identifying = new Set(["name", "volume_id", "source_volume_id", "snapshot_id", "node_id"])
const maxIdentifierBytes = 128

/** The identifying fields of a message and of the single messages inside it (a reply's `volume`). */
const identifiers = (message: ReflectMessage): Record<string, string> =>
  Object.fromEntries(
    message.sortedFields.filter((field) => message.isSet(field)).flatMap((field): ReadonlyArray<[string, string]> => {
      const value: unknown = message.get(field)
      if (isReflectMessage(value)) return Object.entries(identifiers(value))
      return identifying.has(field.name) ? [[field.name, printable(String(value), maxIdentifierBytes)]] : []
    })
  )
