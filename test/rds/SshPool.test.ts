import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { rdsConnectionState, rdsSshExecsTotal } from "../../src/observability/Metrics.ts"
import { ros } from "../../src/rds/RouterOs.ts"
import { defaultSshPoolConfig, SshPool, type SshPoolConfig } from "../../src/rds/SshPool.ts"
import { makeFakeAppliance } from "./FakeAppliance.ts"

const command = (n: number) => ros`:put ${n}`

/** A pool over a fake appliance that the test may have changed before it starts. */
const start = Effect.fnUntraced(
  function*(
    config: Partial<SshPoolConfig> = {},
    change: Partial<ReturnType<typeof makeFakeAppliance>["appliance"]> = {}
  ) {
    const { appliance, transport } = makeFakeAppliance()
    Object.assign(appliance, change)
    const layer = SshPool.layer({ ...defaultSshPoolConfig, ...config }).pipe(Layer.provide(transport))
    const pool = yield* Effect.provide(SshPool, yield* Layer.build(layer))
    return { appliance, pool }
  }
)

const connected = Effect.fnUntraced(function*(config: Partial<SshPoolConfig> = {}) {
  const started = yield* start(config)
  yield* TestClock.adjust("1 second")
  return started
})

const gauge = Effect.map(
  Metric.value(Metric.withAttributes(rdsConnectionState, { address: "rds.example:22" })),
  ({ value }) => value
)

describe("SshPool", () => {
  it.effect("keeps one connection open from the start, and probes it once", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* start()
      assert.isFalse((yield* pool.state).connected)
      yield* TestClock.adjust("1 second")
      const state = yield* pool.state
      assert.deepInclude(state, { connected: true, version: "7.24.4 (stable)" })
      assert.strictEqual(yield* gauge, 1)
      assert.deepStrictEqual([appliance.connects, appliance.probes, appliance.commandsSeen.length], [1, 1, 0])
    }))

  it.effect("runs one command at a time on each connection (trap: many channels on one SSH connection hang)", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ connections: 3 })
      const calls = yield* Effect.forEach([...Array(30).keys()], (n) => pool.run(command(n), "read"), {
        concurrency: "unbounded"
      }).pipe(Effect.forkChild)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(calls)))
      assert.strictEqual(appliance.mostAtOnceOnOneConnection, 1)
      assert.strictEqual(appliance.connects, 3)
      assert.strictEqual(new Set(appliance.commandsSeen.map(({ connection }) => connection)).size, 3)
    }))

  it.effect("serves callers in the order of their arrival", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ connections: 1 })
      yield* Effect.forEach([...Array(20).keys()], (n) => Effect.forkChild(pool.run(command(n), "read")))
      yield* TestClock.adjust("2 seconds")
      const order = appliance.commandsSeen.map(({ line }) => Number(/:put (\d+);/.exec(line)?.[1]))
      assert.deepStrictEqual(order, [...Array(20).keys()])
    }))

  it.effect("calls one after another need one connection", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected()
      const calls = yield* Effect.forEach([1, 2, 3], (n) => pool.run(command(n), "read")).pipe(Effect.forkChild)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(calls)
      assert.deepStrictEqual([appliance.connects, appliance.commandsSeen.length], [1, 3])
    }))

  it.effect("starts and stays up without the appliance, and connects when it comes (trap: RDS unreachable at start)", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* start({}, { door: "refused" })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.state, { connected: false })
      assert.strictEqual((yield* pool.state).lastError?.message, "ECONNREFUSED")
      assert.strictEqual(yield* gauge, 0)
      appliance.door = "open"
      yield* TestClock.adjust("11 seconds")
      assert.deepInclude(yield* pool.state, { connected: true })
      const call = yield* Effect.forkChild(pool.run(command(1), "read"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(call)))
    }))

  it.effect("reconnects with growing pauses, never longer than the configured one", () =>
    Effect.gen(function*() {
      const { appliance } = yield* start({}, { door: "refused" })
      yield* TestClock.adjust("4 seconds")
      assert.isAtLeast(appliance.connects, 4)
      assert.isAtMost(appliance.connects, 7)
      const before = appliance.connects
      yield* TestClock.adjust("100 seconds")
      assert.isAtLeast(appliance.connects - before, 10)
      assert.isAtMost(appliance.connects - before, 14)
    }))

  it.effect("refuses at once, without trying, once the appliance is known to be dead", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* start({ circuitFailures: 3 }, { door: "silent" })
      yield* TestClock.adjust("40 seconds")
      const before = appliance.connects
      const error = yield* Effect.flip(pool.run(command(1), "read"))
      assert.deepInclude(error, { _tag: "ApplianceUnavailable", reason: "circuit-open" })
      assert.match(error.message, /has not answered \d+ times in a row/)
      assert.strictEqual(appliance.connects, before)
    }))

  it.effect("refuses at once also while its only connection slot is taken by the reconnect", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* start({ connections: 1, circuitFailures: 1 }, { door: "refused" })
      yield* TestClock.adjust("1 second")
      appliance.door = "silent"
      yield* TestClock.adjust("11 seconds")
      const call = yield* Effect.forkChild(pool.run(command(1), "read"))
      yield* Effect.yieldNow
      assert.isTrue(call.pollUnsafe() !== undefined && Exit.isFailure(yield* Fiber.await(call)))
    }))

  it.effect("a command that is not answered in time fails, and its connection is never used again", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({
        connections: 1,
        readTimeout: "20 seconds",
        writeTimeout: "1 minute"
      })
      appliance.commands = "unanswered"
      const read = yield* Effect.forkChild(Effect.flip(pool.run(command(1), "read")))
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(read.pollUnsafe())
      appliance.commands = "answered"
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(read)
      assert.deepInclude(error, { _tag: "ApplianceUnavailable", reason: "timeout" })
      assert.match(error.message, /did not answer within 20s, so the outcome is unknown/)
      yield* TestClock.adjust("1 second")
      const next = yield* Effect.forkChild(pool.run(command(2), "read"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(next)
      assert.deepStrictEqual(appliance.commandsSeen.map(({ connection }) => connection), [1, 2])
      assert.strictEqual(appliance.openConnections(), 1)
    }))

  it.effect("a command that was interrupted closes its connection and frees its place", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ connections: 1 })
      appliance.commands = "unanswered"
      const call = yield* Effect.forkChild(pool.run(command(1), "write"))
      yield* TestClock.adjust("1 second")
      appliance.commands = "answered"
      yield* Fiber.interrupt(call)
      const next = yield* Effect.forkChild(pool.run(command(2), "read"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(next)
      assert.deepStrictEqual(appliance.commandsSeen.map(({ connection }) => connection), [1, 2])
    }))

  it.effect("an answer without sentinel is lost: the outcome is unknown", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected()
      for (const trouble of ["cut", "garbled"] as const) {
        appliance.commands = trouble
        const call = yield* Effect.forkChild(Effect.flip(pool.run(command(1), "write")))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(call), { _tag: "ApplianceUnavailable", reason: "lost" })
        appliance.commands = "answered"
        yield* TestClock.adjust("30 seconds")
      }
    }))

  it.effect("a lost connection is seen at once and replaced in the background", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected()
      appliance.door = "refused"
      yield* appliance.dropAll
      yield* TestClock.adjust("1 second")
      const lost = yield* pool.state
      assert.deepInclude(lost, { connected: false, version: "7.24.4 (stable)" })
      assert.strictEqual(yield* gauge, 0)
      appliance.door = "open"
      yield* TestClock.adjust("20 seconds")
      assert.deepInclude(yield* pool.state, { connected: true })
      assert.strictEqual(appliance.commandsSeen.length, 0)
    }))

  it.effect("when one more connection is refused, the open ones serve everyone", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ connections: 3, circuitFailures: 1 })
      appliance.door = "refused"
      const calls = yield* Effect.forEach([...Array(8).keys()], (n) => pool.run(command(n), "read"), {
        concurrency: "unbounded"
      }).pipe(Effect.forkChild)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(calls)))
      assert.strictEqual(appliance.openConnections(), 1)
      appliance.door = "open"
      yield* TestClock.adjust("1 minute")
      yield* Effect.forEach([...Array(8).keys()], (n) => Effect.forkChild(pool.run(command(n), "read")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(appliance.openConnections(), 3)
    }))

  it.effect("finds a connection that died in silence while idle, before a caller does", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ idleCheck: "30 seconds", connectTimeout: "10 seconds" })
      appliance.commands = "unanswered"
      yield* TestClock.adjust("65 seconds")
      appliance.commands = "answered"
      assert.deepStrictEqual(appliance.commandsSeen.map(({ line }) => /""; (.*?);/.exec(line)?.[1]), [":put 1"])
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* pool.state, { connected: true })
      assert.strictEqual(appliance.connects, 2)
    }))

  it.effect("does not check a connection that is in use", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ idleCheck: "30 seconds" })
      const calls = yield* pool.run(command(1), "read").pipe(
        Effect.delay("5 seconds"),
        Effect.forever,
        Effect.forkChild
      )
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.interrupt(calls)
      const checks = appliance.commandsSeen.length - Math.floor(300_000 / 5_050)
      assert.isAtMost(checks, 1)
    }))

  it.effect("says that RouterOS is too old or the package missing, until that is mended", () =>
    Effect.gen(function*() {
      // Attempts in the background take no time: none is under way when connections are counted.
      const { appliance, pool } = yield* start(
        { circuitFailures: 1 },
        { version: "7.20.8 (stable)", commandTime: 0 }
      )
      yield* TestClock.adjust("1 second")
      const tooOld = yield* Effect.flip(pool.run(command(1), "read"))
      assert.strictEqual(tooOld._tag, "ApplianceUnsupported")
      assert.match(tooOld.message, /runs RouterOS 7\.20\.8 \(stable\): this driver needs 7\.21 or newer/)
      appliance.version = "8.0"
      appliance.storagePackages = 0
      yield* TestClock.adjust("15 seconds")
      const missing = yield* Effect.flip(pool.run(command(1), "read"))
      assert.strictEqual(missing._tag, "ApplianceUnsupported")
      assert.match(missing.message, /lacks the package rose-storage/)
      assert.strictEqual(appliance.openConnections(), 0)
      appliance.storagePackages = 1
      yield* TestClock.adjust("15 seconds")
      assert.deepInclude(yield* pool.state, { connected: true, version: "8.0" })
    }))

  it.effect("counts commands by how they ended", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ connections: 1, readTimeout: "5 seconds" })
      for (const commands of ["answered", "garbled", "unanswered"] as const) {
        appliance.commands = commands
        const call = yield* Effect.forkChild(Effect.exit(pool.run(command(1), "read")))
        yield* TestClock.adjust("6 seconds")
        yield* Fiber.join(call)
        appliance.commands = "answered"
        yield* TestClock.adjust("11 seconds")
      }
      const count = (outcome: string) =>
        Effect.map(Metric.value(Metric.withAttributes(rdsSshExecsTotal, { outcome })), ({ count }) => count)
      for (const outcome of ["ok", "lost", "timeout"]) assert.isAtLeast(yield* count(outcome), 1, outcome)
      assert.strictEqual(yield* count("error"), 0)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("spreads commands when a rate is set", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected({ execsPerSecond: 10 })
      yield* Effect.forEach([...Array(40).keys()], (n) => Effect.forkChild(pool.run(command(n), "read")))
      yield* TestClock.adjust("1 second")
      assert.isAtMost(appliance.commandsSeen.length, 21)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(appliance.commandsSeen.length, 40)
    }))

  it.effect("closes every connection with its scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { appliance, pool } = yield* Scope.provide(connected(), scope)
      yield* Effect.forEach([1, 2, 3], (n) => Effect.forkChild(pool.run(command(n), "read")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(appliance.openConnections(), 3)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(appliance.openConnections(), 0)
    }))

  it.effect("refuses a value that no RouterOS literal can hold, without sending anything", () =>
    Effect.gen(function*() {
      const { appliance, pool } = yield* connected()
      const error = yield* Effect.flip(pool.run(ros`:put ${"größe"}`, "read"))
      assert.strictEqual(error._tag, "ApplianceRefused")
      assert.strictEqual(appliance.commandsSeen.length, 0)
    }))
})
