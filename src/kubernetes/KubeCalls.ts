import { Clock, Data, type Duration, Effect, Exit, Metric, type Scope, Stream } from "effect"
import { kubeRequestDurationSeconds, kubeRequestsTotal, secondsBetween } from "../observability/Metrics.ts"
import type { Admission, ClusterAccess } from "./ClusterAccess.ts"
import { KubeOutcomeUnknown, KubeUnavailable } from "./Errors.ts"
import { exchange, type HttpReply, type HttpRequest, type HttpStream, type NoAnswer, open } from "./HttpTransport.ts"

/** One call: what it is named after, and what goes over the wire. */
export interface Call {
  readonly verb: "get" | "list" | "watch" | "create" | "patch" | "replace"
  readonly kind: string
  /** Empty for a whole collection. */
  readonly name: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: { readonly contentType: string; readonly text: string }
}

/** For people: `patch PersistentVolume pvc-1`. */
export const titleOf = ({ kind, name, verb }: Call): string => `${verb} ${kind} ${name}`.trimEnd()

/** Calls of the API server. An answer of any HTTP status is a success here. */
export interface KubeCalls {
  readonly read: (call: Call, limit: Duration.Input) => Effect.Effect<HttpReply, KubeUnavailable>
  readonly write: (
    call: Call,
    limit: Duration.Input
  ) => Effect.Effect<HttpReply, KubeUnavailable | KubeOutcomeUnknown>
  /** The head of an answer without end; `limit` is for the head, `silence` for each wait for more. */
  readonly stream: (
    call: Call,
    limit: Duration.Input,
    silence: Duration.Input
  ) => Effect.Effect<HttpStream<KubeUnavailable>, KubeUnavailable, Scope.Scope>
}

/** There is no answer. `sent` is false when the call certainly did not reach the API server. */
class Unanswered extends Data.TaggedError("Unanswered")<{
  readonly reason: string
  readonly sent: boolean
  readonly onUsedConnection: boolean
}> {}

/**
 * Calls with credentials, time limits and metrics. One that was not accepted (401) is made once more with new credentials,
 * as it has not done anything; and so is one that only reads, when the connection turns out to have been closed meanwhile.
 */
export const makeKubeCalls = (access: ClusterAccess): KubeCalls => {
  const once = <A extends { readonly status: number }, R>(
    call: Call,
    limit: Duration.Input,
    send: (...args: Parameters<typeof open>) => Effect.Effect<A, NoAnswer, R>
  ): Effect.Effect<A, Unanswered, R> =>
    Effect.suspend(() => {
      const progress = { sent: false }
      const unanswered = (reason: string, onUsedConnection = false) =>
        new Unanswered({ reason, sent: progress.sent, onUsedConnection })
      return access.admission.pipe(
        Effect.mapError(({ reason }) => unanswered(`no credentials: ${reason}`)),
        Effect.flatMap((admission) =>
          Effect.mapError(
            send(admission.agent, requestOf(access.server, call, admission), progress),
            ({ onUsedConnection, reason }) => unanswered(reason, onUsedConnection)
          )
        ),
        Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(unanswered("no answer in time")) }),
        counted(call)
      )
    })

  const accepted: typeof once = (call, limit, send) =>
    Effect.flatMap(
      once(call, limit, send),
      (reply) => reply.status === 401 ? Effect.andThen(access.renew, once(call, limit, send)) : Effect.succeed(reply)
    )

  const unavailable = (call: Call) => ({ reason }: { readonly reason: string }) =>
    new KubeUnavailable({ message: `${titleOf(call)}: the API server did not answer: ${reason}` })

  return {
    read: (call, limit) =>
      accepted(call, limit, exchange).pipe(
        Effect.retry({ times: 1, while: ({ onUsedConnection }) => onUsedConnection }),
        Effect.mapError(unavailable(call))
      ),
    write: (call, limit) =>
      Effect.mapError(accepted(call, limit, exchange), (error) =>
        error.sent
          ? new KubeOutcomeUnknown({
            message: `${titleOf(call)}: the answer of the API server was lost: ${error.reason}`
          })
          : unavailable(call)(error)),
    stream: (call, limit, silence) =>
      accepted(call, limit, open).pipe(
        Effect.mapError(unavailable(call)),
        Effect.map(({ body, status }) => ({
          status,
          body: body.pipe(
            Stream.mapError(unavailable(call)),
            Stream.timeoutOrElse({
              duration: silence,
              orElse: () => Stream.fail(unavailable(call)({ reason: "silence for too long" }))
            })
          )
        }))
      )
  }
}

const methods = { get: "GET", list: "GET", watch: "GET", create: "POST", patch: "PATCH", replace: "PUT" } as const

const requestOf = (server: URL, { body, path, query = {}, verb }: Call, { headers }: Admission): HttpRequest => {
  const url = new URL(server.pathname.replace(/\/$/, "") + path, server)
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
  const own = { ...headers, accept: "application/json", "user-agent": "rds-csi" }
  return body === undefined
    ? { method: methods[verb], url, headers: own }
    : {
      method: methods[verb],
      url,
      headers: { ...own, "content-type": body.contentType, "content-length": String(Buffer.byteLength(body.text)) },
      body: body.text
    }
}

const counted =
  ({ kind, verb }: Call) =>
  <A extends { readonly status: number }, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeNanos, (start) =>
      Effect.onExit(self, (exit) =>
        Effect.gen(function*() {
          const code = Exit.isSuccess(exit) ? String(exit.value.status) : "none"
          yield* Metric.update(Metric.withAttributes(kubeRequestsTotal, { verb, kind, code }), 1)
          const seconds = secondsBetween(start, yield* Clock.currentTimeNanos)
          yield* Metric.update(Metric.withAttributes(kubeRequestDurationSeconds, { verb }), seconds)
        })))
