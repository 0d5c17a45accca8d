import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type FileSystem, Layer, Metric, Option, type Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import {
  measured,
  rdsConnectionState,
  volumeOperationDurationSeconds,
  volumeOperationsTotal
} from "../../src/observability/Metrics.ts"
import { type OpsOptions, serveOps } from "../../src/observability/Ops.ts"

const localhost = { host: Option.some("127.0.0.1"), port: 0 }

const start = (components: OpsOptions["components"]) => serveOps({ address: localhost, components })

const get = Effect.fnUntraced(function*(url: string) {
  const response = yield* HttpClient.get(url)
  return { status: response.status, body: yield* response.text }
})

const live = <A, E>(
  name: string,
  test: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope | HttpClient.HttpClient>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Layer.merge(NodeFileSystem.layer, FetchHttpClient.layer))
    ))

describe("the operations endpoints", () => {
  live(
    "/healthz answers, anything unknown is 404",
    Effect.gen(function*() {
      const url = yield* start({})
      assert.deepStrictEqual(yield* get(`${url}/healthz`), { status: 200, body: "ok\n" })
      assert.strictEqual((yield* get(`${url}/nothing`)).status, 404)
    })
  )

  live(
    "/readyz is 200 when every component is ready, 503 and the reason otherwise",
    Effect.gen(function*() {
      const up = { ready: true, version: "7.24.4 (stable)" }
      const good = yield* start({ appliance: Effect.succeed(up) })
      const ready = yield* get(`${good}/readyz`)
      assert.strictEqual(ready.status, 200)
      assert.deepStrictEqual(JSON.parse(ready.body), { ready: true, components: { appliance: up } })

      const down = { ready: false, error: "connection refused" }
      const bad = yield* start({ appliance: Effect.succeed(down), state: Effect.succeed({ ready: true }) })
      const notReady = yield* get(`${bad}/readyz`)
      assert.strictEqual(notReady.status, 503)
      assert.deepStrictEqual(JSON.parse(notReady.body), {
        ready: false,
        components: { appliance: down, state: { ready: true } }
      })
    })
  )

  live(
    "/metrics has every series by its own name, without a second prefix",
    Effect.gen(function*() {
      const url = yield* start({})
      const stage = measured({
        total: volumeOperationsTotal,
        seconds: volumeOperationDurationSeconds,
        attributes: { operation: "stage" }
      })
      yield* stage(Effect.void)
      yield* Effect.exit(stage(Effect.fail("no")))
      yield* Effect.exit(stage(Effect.interrupt))
      yield* Metric.update(Metric.withAttributes(rdsConnectionState, { address: "appliance" }), 1)
      const { body } = yield* get(`${url}/metrics`)
      const lines = body.split("\n")
      assert.includeMembers(lines, [
        "# TYPE rds_csi_volume_operations_total counter",
        "rds_csi_volume_operations_total{operation=\"stage\",status=\"success\"} 1",
        "rds_csi_volume_operations_total{operation=\"stage\",status=\"failure\"} 2",
        "# TYPE rds_csi_volume_operation_duration_seconds histogram",
        "rds_csi_volume_operation_duration_seconds_bucket{operation=\"stage\",le=\"0.1\"} 1",
        "rds_csi_volume_operation_duration_seconds_bucket{operation=\"stage\",le=\"+Inf\"} 1",
        "rds_csi_volume_operation_duration_seconds_count{operation=\"stage\"} 1",
        "rds_csi_rds_connection_state{address=\"appliance\"} 1"
      ])
      const values = new Map(
        lines.filter((line) => /^(process|nodejs)_/.test(line)).map((line) => {
          const [name = "", value] = line.split(" ")
          return [name, Number(value)]
        })
      )
      assert.isAbove(values.get("process_resident_memory_bytes") ?? 0, 1e6)
      assert.isAbove(values.get("process_start_time_seconds") ?? 0, 1e9)
      assert.isAbove(values.get("process_open_fds") ?? 0, 3)
      assert.isAtLeast(values.get("nodejs_eventloop_lag_max_seconds") ?? -1, 0)
    })
  )

  live(
    "an address in use is an error that names it",
    Effect.gen(function*() {
      const port = Number(new URL(yield* start({})).port)
      const error = yield* Effect.flip(serveOps({ address: { ...localhost, port }, components: {} }))
      assert.strictEqual(error._tag, "OpsUnavailable")
      assert.include(error.message, `127.0.0.1:${port}`)
      assert.include(error.message, "EADDRINUSE")
    })
  )
})
