import { NodeHttpServer } from "@effect/platform-node"
import { Effect, type FileSystem, Layer, Option, Schema, type Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import type { ListenAddress } from "./ListenAddress.ts"
import { watchProcess } from "./ProcessMetrics.ts"

/** The HTTP server cannot listen; `message` names the address and the reason. */
export class OpsUnavailable
  extends Schema.TaggedError<OpsUnavailable>()("OpsUnavailable", { message: Schema.String })
{}

/** A part of the process as `/readyz` shows it: whether it is ready, and whatever helps to see why not. */
export interface Component {
  readonly ready: boolean
  readonly [detail: string]: string | number | boolean | undefined
}

/** What the HTTP endpoints show. */
export interface OpsOptions {
  readonly address: ListenAddress
  /** By name. Each is asked at every `/readyz`, and has two seconds to answer. */
  readonly components: Readonly<Record<string, Effect.Effect<Component>>>
}

/**
 * Serves HTTP until the scope closes, and answers the URL it listens at:
 *
 * - `/healthz`: 200 as long as the process answers at all.
 * - `/readyz`: 200 when every component is ready, 503 otherwise; the components as JSON either way.
 * - `/metrics`: Prometheus text format.
 */
export const serveOps = Effect.fn("Ops.serve")(function*(
  { address, components }: OpsOptions
): Effect.fn.Return<string, OpsUnavailable, FileSystem.FileSystem | Scope.Scope> {
  const refresh = yield* watchProcess()
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n")),
    HttpRouter.add("GET", "/readyz", readiness(components)),
    HttpRouter.add("GET", "/metrics", Effect.andThen(refresh, metrics))
  )
  const host = Option.match(address.host, { onNone: () => ({}), onSome: (host) => ({ host }) })
  const server = NodeHttpServer.layerServer(() => createServer(), {
    ...host,
    port: address.port,
    gracefulShutdownTimeout: "1 second"
  })
  const context = yield* Layer.build(
    Layer.provideMerge(HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }), server)
  ).pipe(Effect.mapError((error) => unavailable(address, error.cause)))
  return yield* Effect.provide(HttpServer.addressFormattedWith(Effect.succeed), context)
})

const readiness = Effect.fnUntraced(function*(components: OpsOptions["components"]) {
  const states = yield* Effect.all(
    Object.fromEntries(Object.entries(components).map(([name, component]) => [name, bounded(component)])),
    { concurrency: "unbounded" }
  )
  const ready = Object.values(states).every((state) => state.ready)
  return HttpServerResponse.jsonUnsafe({ ready, components: states }, { status: ready ? 200 : 503 })
})

const bounded = (component: Effect.Effect<Component>): Effect.Effect<Component> =>
  Effect.timeoutOrElse(component, {
    duration: "2 seconds",
    orElse: () => Effect.succeed({ ready: false, error: "no answer within 2 seconds" })
  })

const metrics = Effect.map(
  PrometheusMetrics.format(),
  (text) => HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
)

const unavailable = ({ host, port }: ListenAddress, cause: unknown) =>
  new OpsUnavailable({
    message: `cannot serve metrics and health on ${Option.getOrElse(host, () => "")}:${port}: ` +
      (cause instanceof Error ? cause.message : String(cause))
  })
