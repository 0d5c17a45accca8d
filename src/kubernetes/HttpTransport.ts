import { Cause, Data, Effect, type Scope, Stream } from "effect"
import http from "node:http"
import https from "node:https"

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "PUT"
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface HttpReply {
  readonly status: number
  readonly text: string
}

/** The beginning of an answer: its body has still to be read. */
export interface HttpStream<E> {
  readonly status: number
  readonly body: Stream.Stream<string, E>
}

/** There is no complete answer. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{
  /** For people: a system error code, or what was missing. */
  readonly reason: string
  /** The request was written to a connection that had been used before: the server may just have closed it for idleness. */
  readonly onUsedConnection: boolean
}> {}

/** How far a request came. */
export interface Progress {
  /** False as long as the request certainly has not reached the server. */
  sent: boolean
}

/** No page of objects is as long as this; the rest of a longer answer is not read. */
const maxReplyLength = 64 * 1024 * 1024

/** Sends the request and reads the whole answer. Interruption drops the connection. */
export const exchange = (
  agent: http.Agent,
  request: HttpRequest,
  progress: Progress
): Effect.Effect<HttpReply, NoAnswer> =>
  open(agent, request, progress).pipe(
    Effect.flatMap(({ body, status }) =>
      Effect.map(
        Stream.runFoldEffect(body, () => "", (text, part) =>
          text.length + part.length > maxReplyLength
            ? Effect.fail(noAnswer("an answer of more than 64 MiB"))
            : Effect.succeed(text + part)),
        (text) => ({ status, text })
      )
    ),
    Effect.scoped,
    // The agent gets the connection back a moment later: without this, the caller's next request would open another.
    Effect.tap(() => Effect.yieldNow)
  )

/** Sends the request and waits for the head of the answer. The connection is dropped when the scope closes. */
export const open = (
  agent: http.Agent,
  request: HttpRequest,
  progress: Progress
): Effect.Effect<HttpStream<NoAnswer>, NoAnswer, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly call: http.ClientRequest; readonly head: http.IncomingMessage }, NoAnswer>((resume) => {
      const isSecure = request.url.protocol === "https:"
      const start = isSecure ? https.request : http.request
      const call = start(request.url, { agent, method: request.method, headers: request.headers })
      const sent = () => {
        progress.sent = true
      }
      call.on("socket", (socket) =>
        socket.connecting ? socket.once(isSecure ? "secureConnect" : "connect", sent) : sent())
      // Both are kept for as long as the request lives: an error that nobody listens for would end the process.
      call.on("error", (error) =>
        resume(Effect.fail(noAnswer(codeOf(error), call.reusedSocket))))
      call.on("response", (head) => {
        head.on("error", () => undefined)
        resume(Effect.succeed({ call, head: head.setEncoding("utf8") }))
      })
      call.end(request.body)
      return Effect.sync(() => {
        call.destroy()
      })
    }),
    // A connection whose answer was read to the end goes back to the agent.
    ({ call, head }) =>
      Effect.sync(() => {
        if (!head.readableEnded) call.destroy()
      }),
    { interruptible: true }
  ).pipe(Effect.map(({ head }) => ({ status: head.statusCode ?? 0, body: Stream.fromEffectRepeat(nextPart(head)) })))

/** The next piece of the body. Reads no faster than it is asked. */
const nextPart = (head: http.IncomingMessage): Effect.Effect<string, NoAnswer | Cause.Done> =>
  Effect.callback((resume) => {
    const events = ["readable", "end", "error", "close"]
    const settle = (outcome: Effect.Effect<string, NoAnswer | Cause.Done>) => {
      for (const event of events) head.off(event, look)
      resume(outcome)
    }
    const look = () => {
      const part: unknown = head.read()
      if (typeof part === "string") settle(Effect.succeed(part))
      else if (head.readableEnded) settle(Cause.done())
      else if (head.destroyed) settle(Effect.fail(noAnswer("the connection broke during the answer")))
    }
    for (const event of events) head.on(event, look)
    look()
    return Effect.sync(() => {
      for (const event of events) head.off(event, look)
    })
  })

const noAnswer = (reason: string, onUsedConnection = false) => new NoAnswer({ reason, onUsedConnection })

/** The code rather than the text, which repeats the address. */
const codeOf = (error: NodeJS.ErrnoException) => error.code ?? error.message
