import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Layer } from "effect"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { tracingLayer } from "../../src/observability/Tracing.ts"

/** An OTLP collector that keeps the first request. */
const collector = Effect.gen(function*() {
  const received = yield* Deferred.make<{ readonly path: string | undefined; readonly body: string }>()
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      Deferred.doneUnsafe(received, Effect.succeed({ path: request.url, body }))
      response.end()
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  const address = server.address()
  const port = address !== null && typeof address === "object" ? address.port : 0
  return { endpoint: `http://127.0.0.1:${port}`, received: Deferred.await(received) }
})

const traced = (environment: Record<string, string>) =>
  Effect.void.pipe(
    Effect.withSpan("CreateVolume"),
    Effect.provide(
      Layer.provide(
        tracingLayer("rds-csi", "1.2.3"),
        ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))
      )
    )
  )

describe("tracingLayer", () => {
  it.live("sends spans to the collector that the environment names, at the latest when it closes", () =>
    Effect.gen(function*() {
      const { endpoint, received } = yield* collector
      yield* traced({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
      const { body, path } = yield* received
      assert.strictEqual(path, "/v1/traces")
      assert.include(body, "CreateVolume")
      assert.include(body, "rds-csi")
    }))

  it.live("does nothing without one", () => traced({}))
})
