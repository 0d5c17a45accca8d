import { Clock, DateTime, Effect, FiberSet } from "effect"
import http from "node:http"
import https from "node:https"
import type { Socket } from "node:net"
import { type Answer, makeAnswers, refusal } from "./Answers.ts"
import { type Fault, makeFaults, type SeenRequest } from "./Faults.ts"
import { type Target, targetOf } from "./Kinds.ts"
import { makeObjectStore } from "./ObjectStore.ts"
import { makeWatchers } from "./Watchers.ts"

export interface ApiServerOptions {
  /** Where to listen; any free port, if absent. */
  readonly port?: number
  /** Milliseconds that every request takes at least. */
  readonly latency?: number
  /** RBAC: whether the request is allowed; all are, if absent. */
  readonly allows?: (request: SeenRequest) => boolean
  /** Key and certificate in PEM, for HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** A Kubernetes API server that keeps its objects in memory, with hooks to make things go wrong. */
export type ApiServer = Effect.Success<ReturnType<typeof startApiServer>>

/** Starts one on 127.0.0.1 for as long as the scope is open. */
export const startApiServer = Effect.fnUntraced(function*(options: ApiServerOptions = {}) {
  const clock = yield* Clock.Clock
  const store = makeObjectStore(() =>
    `${DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())).slice(0, 19)}Z`
  )
  const watchers = makeWatchers(store)
  const faults = makeFaults()
  const answers = makeAnswers(store)
  const requests: Array<SeenRequest> = []
  const sockets = new Set<Socket>()
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  let partitioned = false
  let tokens: ReadonlySet<string> | undefined

  const answer = (target: Target, exchange: Exchange): Answer => {
    const { request, text } = exchange
    switch (verbOf(target, request)) {
      case "get":
        return answers.get(target)
      case "create":
        return answers.create(target, text)
      case "patch":
        return answers.patch(target, request.headers["content-type"] ?? "", text)
      case "replace":
        return answers.replace(target, text)
      case "delete":
        return answers.remove(target)
      case "list":
      case "watch":
        return answers.list(target, exchange.query)
    }
  }

  const handle = Effect.fnUntraced(function*(exchange: Exchange) {
    const { path, query, request, response } = exchange
    const target = targetOf(path)
    if (target === undefined) return send(response, refusal({ code: 404, reason: "NotFound", message: "no such path" }))
    const { kind: { plural }, name = "", namespace = "" } = target
    const seen: SeenRequest = { verb: verbOf(target, request), plural, name, namespace, query }
    requests.push(seen)
    const fault = faults.take(seen)
    if (options.latency !== undefined) yield* Effect.sleep(options.latency)
    if (!mayEnter(request, tokens)) {
      return send(response, refusal({ code: 401, reason: "Unauthorized", message: "Unauthorized" }))
    }
    if (!(options.allows?.(seen) ?? true)) {
      const message = `${plural} "${name}" is forbidden: cannot ${seen.verb} resource "${plural}"`
      return send(response, refusal({ code: 403, reason: "Forbidden", message }))
    }
    if (fault !== undefined && !(yield* spoil(fault, response))) return
    if (seen.verb === "watch") return watchers.add(target, response, Number(query.get("resourceVersion") ?? 0))
    const result = answer(target, exchange)
    if (fault?._tag === "HangAfter") return
    if (fault?._tag === "CutAfter") response.destroy()
    else if (fault?._tag === "Garbage") response.end("no JSON")
    else send(response, result)
  })

  const listener = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://x")
      run(
        handle({
          request,
          response,
          path: url.pathname,
          query: url.searchParams,
          text: Buffer.concat(chunks).toString()
        })
      )
    })
  }
  const server = options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener)
  server.on("connection", (socket: Socket) => {
    if (partitioned) return socket.destroy()
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    return undefined
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(options.port ?? 0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        cut()
      })
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0

  return {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    port,
    objects: store,
    watchers,
    faults,
    /** Every request that arrived, in order. */
    requests,
    /** How many connections are open. */
    connections: () => sockets.size,
    /** Cuts all connections and accepts none, or accepts them again. */
    partition: (on: boolean) => {
      partitioned = on
      if (on) cut()
    },
    /** Bearer tokens that are let in from now on; everyone is when there are none. */
    accept: (bearer: ReadonlyArray<string>) => {
      tokens = new Set(bearer)
    }
  }
})

interface Exchange {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  readonly path: string
  readonly query: URLSearchParams
  readonly text: string
}

const verbOf = ({ name }: Target, { method, url = "" }: http.IncomingMessage): SeenRequest["verb"] => {
  if (method === "POST") return "create"
  if (method === "PATCH") return "patch"
  if (method === "PUT") return "replace"
  if (method === "DELETE") return "delete"
  if (name !== undefined) return "get"
  return /[?&]watch=/.test(url) ? "watch" : "list"
}

const mayEnter = ({ headers }: http.IncomingMessage, tokens: ReadonlySet<string> | undefined) =>
  tokens === undefined || tokens.has((headers.authorization ?? "").replace(/^Bearer /, ""))

const send = (response: http.ServerResponse, { body, code }: Answer) => {
  const text = JSON.stringify(body)
  response.writeHead(code, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  response.end(text)
}

/** What of a fault comes before the request is worked on; whether it still is. */
const spoil = Effect.fnUntraced(function*(fault: Fault, response: http.ServerResponse) {
  switch (fault._tag) {
    case "Error":
      send(response, refusal({ code: fault.code, reason: "Fault", message: fault.message ?? "made to fail" }))
      return false
    case "CutBefore":
      response.destroy()
      return false
    case "Hang":
      return false
    case "CutThenLate":
      response.destroy()
      yield* Effect.sleep(fault.millis)
      return true
    case "Delay":
      yield* Effect.sleep(fault.millis)
      return true
    case "CutAfter":
    case "HangAfter":
    case "Garbage":
      return true
  }
})
