import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as grpc from "@grpc/grpc-js"
import { Deferred, Duration, Effect, Exit, Fiber, FileSystem, Logger, Metric, Scope } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { formatEndpoint } from "../../src/csi/Endpoint.ts"
import { VolumeNotFound } from "../../src/csi/Errors.ts"
import { Controller, Identity } from "../../src/csi/gen/csi_pb.ts"
import { type Handlers, rpcs } from "../../src/csi/GrpcService.ts"
import { serve } from "../../src/csi/Server.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { connect, type GrpcClient } from "../support/GrpcClient.ts"

const drainTimeout = Duration.millis(500)

/** A server with these Controller handlers on a fresh socket, and a client for it. */
const start = Effect.fnUntraced(function*<R = never>(
  handlers: Handlers<typeof Controller, R>,
  drain: Duration.Duration = drainTimeout
) {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/csi.sock`
  yield* serve({ endpoint: { _tag: "Unix", path }, rpcs: rpcs(Controller, handlers), drainTimeout: drain })
  return yield* connect(`unix://${path}`)
})

/** A handler that never ends by itself, and what happened to it. */
const hanging = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const run = Effect.andThen(Deferred.succeed(started, undefined), Effect.never).pipe(
    Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
  )
  return { run, started: Deferred.await(started), interrupted: Deferred.await(interrupted) }
})

const live = <A, E>(
  name: string,
  test: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide([NodeFileSystem.layer, Logger.layer([])])
    ))

const deleteVolume = (client: GrpcClient, volumeId: string, options?: { readonly deadline?: number }) =>
  client.call(Controller.method.deleteVolume, { volumeId }, options)

describe("answers", () => {
  live(
    "a reply arrives as the handler made it, 64-bit numbers exact",
    Effect.gen(function*() {
      const client = yield* start({
        createVolume: ({ name, capacityRange }) =>
          Effect.succeed({
            volume: { volumeId: `id-${name}`, capacityBytes: (capacityRange?.requiredBytes ?? 0n) + 1n }
          })
      })
      const reply = yield* client.call(Controller.method.createVolume, {
        name: "ü",
        capacityRange: { requiredBytes: 9_007_199_254_740_993n }
      })
      assert.strictEqual(reply.volume?.volumeId, "id-ü")
      assert.strictEqual(reply.volume?.capacityBytes, 9_007_199_254_740_994n)
    })
  )

  live(
    "a typed error becomes its status, with no details",
    Effect.gen(function*() {
      const client = yield* start({ deleteVolume: () => new VolumeNotFound({ volumeId: "pvc-1" }) })
      const error = yield* Effect.flip(deleteVolume(client, "pvc-1"))
      assert.strictEqual(error.code, "NOT_FOUND")
      assert.strictEqual(error.details, "volume pvc-1 does not exist on the appliance")
    })
  )

  live(
    "an RPC without a handler, and one of a service that is not served, are UNIMPLEMENTED",
    Effect.gen(function*() {
      const client = yield* start({})
      const missing = yield* Effect.flip(client.call(Controller.method.createSnapshot, { name: "s" }))
      assert.deepStrictEqual([missing.code, missing.details], [
        "UNIMPLEMENTED",
        "CreateSnapshot is not offered by this driver"
      ])
      const unserved = yield* Effect.flip(client.call(Identity.method.probe, {}))
      assert.strictEqual(unserved.code, "UNIMPLEMENTED")
    })
  )

  live(
    "bytes that are not the request message are INVALID_ARGUMENT",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/csi.sock`
      const handlers = { deleteVolume: () => Effect.succeed({}) }
      yield* serve({ endpoint: { _tag: "Unix", path }, rpcs: rpcs(Controller, handlers), drainTimeout })
      const code = yield* Effect.callback<grpc.status | undefined>((resume) => {
        const client = new grpc.Client(`unix://${path}`, grpc.credentials.createInsecure())
        const raw = (bytes: Buffer) => bytes
        client.makeUnaryRequest(
          "/csi.v1.Controller/DeleteVolume",
          raw,
          raw,
          Buffer.from([0x0a, 0xff]),
          (error) => {
            client.close()
            resume(Effect.succeed(error?.code))
          }
        )
      })
      assert.strictEqual(code, grpc.status.INVALID_ARGUMENT)
    })
  )

  const logs = capturedLogs()
  live(
    "a defect is INTERNAL with a fixed text; its cause is in the log and nowhere else",
    Effect.gen(function*() {
      const client = yield* start({ deleteVolume: () => Effect.die(new Error("the secret of the defect")) })
      const error = yield* Effect.flip(deleteVolume(client, "pvc-1"))
      assert.strictEqual(error.code, "INTERNAL")
      assert.notInclude(error.details, "secret")
      const line = logs.lines.find((line) => line.message === "DeleteVolume INTERNAL")
      assert.strictEqual(line?.level, "Error")
      assert.include(line?.cause, "the secret of the defect")
      assert.strictEqual(line?.annotations.volume_id, "pvc-1")
    }).pipe(logs.run)
  )

  live(
    "a reply that cannot be encoded is a defect",
    Effect.gen(function*() {
      const client = yield* start({ createVolume: () => Effect.succeed({ volume: { capacityBytes: 1n << 80n } }) })
      const error = yield* Effect.flip(client.call(Controller.method.createVolume, { name: "a" }))
      assert.strictEqual(error.code, "INTERNAL")
      assert.include(error.details, "its log has the cause")
    })
  )
})

describe("listening", () => {
  const any = { rpcs: rpcs(Controller, {}), drainTimeout }

  live(
    "on a TCP port that the system chooses",
    Effect.gen(function*() {
      const endpoint = yield* serve({ ...any, endpoint: { _tag: "Tcp", host: "127.0.0.1", port: 0 } })
      const client = yield* connect(formatEndpoint(endpoint).replace("tcp://", ""))
      assert.strictEqual((yield* Effect.flip(deleteVolume(client, "pvc-1"))).code, "UNIMPLEMENTED")

      const taken = yield* Effect.flip(serve({ ...any, endpoint }))
      assert.include(taken.message, `cannot listen on ${formatEndpoint(endpoint)}`)
    })
  )

  live(
    "a second server on the same socket is refused, and the first goes on",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const endpoint = { _tag: "Unix", path: `${yield* fs.makeTempDirectoryScoped()}/csi.sock` } as const
      yield* serve({ ...any, endpoint })
      const error = yield* Effect.flip(serve({ ...any, endpoint }))
      assert.include(error.message, "another process is listening")
      const client = yield* connect(formatEndpoint(endpoint))
      assert.strictEqual((yield* Effect.flip(deleteVolume(client, "pvc-1"))).code, "UNIMPLEMENTED")
    })
  )
})

describe("cancel and deadline", () => {
  live(
    "trap: a cancelled RPC was taken for shutdown. It interrupts its own handler and nothing else",
    Effect.gen(function*() {
      const first = yield* hanging
      const release = yield* Deferred.make<void>()
      const second = yield* Deferred.make<void>()
      const client = yield* start({
        deleteVolume: ({ volumeId }) =>
          volumeId === "first"
            ? first.run
            : Effect.andThen(Deferred.succeed(second, undefined), Effect.as(Deferred.await(release), {}))
      })
      const cancelled = yield* Effect.forkScoped(deleteVolume(client, "first"))
      const other = yield* Effect.forkScoped(deleteVolume(client, "second"))
      yield* first.started
      yield* Deferred.await(second)
      yield* Fiber.interrupt(cancelled)
      yield* first.interrupted
      yield* Deferred.succeed(release, undefined)
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(other)))
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(deleteVolume(client, "third"))))
    })
  )

  live(
    "a deadline interrupts the handler, and the call counts as DEADLINE_EXCEEDED, not as CANCELLED",
    Effect.gen(function*() {
      const handler = yield* hanging
      const client = yield* start({ deleteVolume: () => handler.run, createVolume: () => Effect.succeed({}) })
      yield* client.call(Controller.method.createVolume, {}) // connects
      const error = yield* Effect.flip(deleteVolume(client, "pvc-1", { deadline: 100 }))
      assert.strictEqual(error.code, "DEADLINE_EXCEEDED")
      yield* handler.interrupted
      yield* metricsContain("rds_csi_grpc_requests_total{method=\"DeleteVolume\",code=\"DEADLINE_EXCEEDED\"} 1")
    })
  )

  live(
    "a handler's uninterruptible work ends before the cancelled call is counted, and counts as CANCELLED",
    Effect.gen(function*() {
      const waiting = yield* hanging
      const release = yield* Deferred.make<void>()
      const committed = yield* Deferred.make<void>()
      const commit = Deferred.await(release).pipe(
        Effect.andThen(Deferred.succeed(committed, undefined)),
        Effect.uninterruptible
      )
      const client = yield* start({
        deleteVolume: () => Effect.as(Effect.all([commit, waiting.run], { concurrency: 2 }), {})
      })
      const call = yield* Effect.forkScoped(deleteVolume(client, "pvc-1"))
      yield* waiting.started
      yield* Fiber.interrupt(call)
      yield* waiting.interrupted
      assert.notInclude(yield* PrometheusMetrics.format(), "code=")
      yield* Deferred.succeed(release, undefined)
      yield* Deferred.await(committed)
      yield* metricsContain("rds_csi_grpc_requests_total{method=\"DeleteVolume\",code=\"CANCELLED\"} 1")
    })
  )
})

/** Waits until the rendered metrics have the line. */
const metricsContain = (line: string): Effect.Effect<void> =>
  Effect.flatMap(
    PrometheusMetrics.format(),
    (text) =>
      text.split("\n").includes(line) ? Effect.void : Effect.delay(Effect.suspend(() => metricsContain(line)), 5)
  )

describe("drain", () => {
  live(
    "when the scope closes a short call finishes and a hanging one is answered UNAVAILABLE, before its service closes",
    Effect.gen(function*() {
      const hung = yield* hanging
      const shortStarted = yield* Deferred.make<void>()
      const events: Array<string> = []
      const scope = yield* Scope.make()
      const client = yield* start({
        deleteVolume: ({ volumeId }) =>
          volumeId === "hang"
            ? Effect.onInterrupt(hung.run, () => Effect.sync(() => events.push("hanging call ended")))
            : Effect.andThen(Deferred.succeed(shortStarted, undefined), Effect.delay(Effect.succeed({}), 50))
      }).pipe(
        (server) =>
          Effect.andThen(
            Effect.addFinalizer(() => Effect.sync(() => events.push("service closed"))),
            server
          ),
        Scope.provide(scope)
      )
      const hang = yield* Effect.forkScoped(Effect.flip(deleteVolume(client, "hang")))
      const short = yield* Effect.forkScoped(deleteVolume(client, "short"))
      yield* hung.started
      yield* Deferred.await(shortStarted)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(short)))
      const error = yield* Fiber.join(hang)
      assert.deepStrictEqual([error.code, error.details], ["UNAVAILABLE", "the driver is stopping; try again"])
      assert.deepStrictEqual(events, ["hanging call ended", "service closed"])
    })
  )

  live(
    "an idle server closes at once although clients are connected",
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = start({ deleteVolume: () => Effect.succeed({}) }, Duration.minutes(5))
      const client = yield* Scope.provide(server, scope)
      yield* deleteVolume(client, "pvc-1")
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("the log line and the metrics of a call", () => {
  const debug = capturedLogs("Debug")
  live(
    "names the call, the objects and the code; request and reply only at Debug, without secrets",
    Effect.gen(function*() {
      const client = yield* start({
        createVolume: ({ name }) => Effect.succeed({ volume: { volumeId: `id-of-${name}` } })
      })
      yield* client.call(Controller.method.createVolume, { name: "pvc-7", secrets: { password: "hunter2" } })
      const line = debug.lines.find((line) => line.message === "CreateVolume OK")
      assert.strictEqual(line?.level, "Info")
      assert.deepInclude(line?.annotations, {
        rpc: "CreateVolume",
        code: "OK",
        name: "pvc-7",
        volume_id: "id-of-pvc-7"
      })
      assert.deepStrictEqual(line?.annotations.request, { name: "pvc-7", secrets: "***stripped***" })
      assert.deepStrictEqual(line?.annotations.reply, { volume: { volume_id: "id-of-pvc-7" } })
      for (const { json } of debug.lines) assert.notInclude(json, "hunter2")
    }).pipe(debug.run)
  )

  const info = capturedLogs("Info")
  live(
    "at Info there is no request in it, calls that only look leave no line, and refusals are warnings",
    Effect.gen(function*() {
      const client = yield* start({
        deleteVolume: ({ volumeId }) =>
          volumeId === "gone" ? new VolumeNotFound({ volumeId }) : Effect.logInfo("working").pipe(Effect.as({})),
        controllerGetCapabilities: () => Effect.succeed({}),
        listVolumes: () => Effect.succeed({})
      })
      yield* client.call(Controller.method.controllerGetCapabilities, {})
      yield* client.call(Controller.method.listVolumes, {})
      yield* deleteVolume(client, "pvc-1")
      yield* Effect.ignore(deleteVolume(client, "gone"))
      const lines = info.lines.filter((line) => "rpc" in line.annotations)
      assert.deepStrictEqual(lines.map((line) => [line.level, line.message]), [
        ["Info", "working"],
        ["Info", "DeleteVolume OK"],
        ["Warn", "DeleteVolume NOT_FOUND"]
      ])
      assert.strictEqual(lines[0]?.annotations.volume_id, "pvc-1")
      assert.isFalse("request" in (lines[1]?.annotations ?? {}))
    }).pipe(info.run)
  )

  live(
    "count by method and code, time by method, and show what is in flight",
    Effect.gen(function*() {
      const handler = yield* hanging
      const client = yield* start({
        deleteVolume: ({ volumeId }) => volumeId === "hang" ? handler.run : new VolumeNotFound({ volumeId })
      })
      const call = yield* Effect.forkScoped(deleteVolume(client, "hang"))
      yield* handler.started
      yield* metricsContain("rds_csi_grpc_requests_in_flight{method=\"DeleteVolume\"} 1")
      yield* Effect.ignore(deleteVolume(client, "gone"))
      yield* metricsContain("rds_csi_grpc_requests_total{method=\"DeleteVolume\",code=\"NOT_FOUND\"} 1")
      yield* metricsContain("rds_csi_grpc_request_duration_seconds_count{method=\"DeleteVolume\"} 1")
      yield* Fiber.interrupt(call)
      yield* metricsContain("rds_csi_grpc_requests_in_flight{method=\"DeleteVolume\"} 0")
    })
  )
})
