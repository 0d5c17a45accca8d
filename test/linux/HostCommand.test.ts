import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, FileSystem, Metric } from "effect"
import { TestClock } from "effect/testing"
import { HostCommand } from "../../src/linux/HostCommand.ts"
import { hostCommandsLeftTotal } from "../../src/observability/Metrics.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"
import { until } from "../support/Until.ts"

const run = (program: string, args: ReadonlyArray<string>) =>
  HostCommand.use((command) => command.run(program, args, { limit: "1 minute" })).pipe(
    Effect.provide(HostCommand.layer)
  )

/**
 * Runs a shell script in the background, in virtual time. Each of its processes writes its id to the file `$1`; resumes
 * when `count` of them did.
 */
const started = Effect.fnUntraced(function*(
  script: string,
  count: number,
  around: <A, E>(self: Effect.Effect<A, E>) => Effect.Effect<A, E> = (self) => self
) {
  const fs = yield* FileSystem.FileSystem
  const file = `${yield* fs.makeTempDirectoryScoped()}/pids`
  yield* fs.writeFileString(file, "")
  const fiber = yield* Effect.forkChild(around(run("sh", ["-c", script, "test", file])))
  const pids = Effect.map(fs.readFileString(file), (text) => text.split("\n").slice(0, -1).map(Number))
  yield* real(Effect.map(pids, ({ length }) => length === count))
  return { fiber, pids: yield* pids }
})

/** Lets virtual time pass step by step, as waiting goes on from one step to the next. */
const pass = (steps: number, each: Duration.Input) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(each), TestClock.withLive(Effect.sleep(0))), { times: steps - 1 })

/** Waits in real time. */
const real = <E, R>(condition: Effect.Effect<boolean, E, R>) => TestClock.withLive(until(condition))

/** Whether none of the processes runs any more. One that is dead but not yet waited for by its parent does not run. */
const allGone = (pids: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const stats = yield* Effect.forEach(pids, (pid) =>
      Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/stat`), () => ""))
    return stats.every((stat) =>
      stat === "" || / [ZX] /.test(stat)
    )
  })

describe("HostCommand", () => {
  it.layer(NodeServices.layer)((it) => {
    it.effect("gives the program nothing to read, and answers its exit code and both outputs, whatever the code", () =>
      Effect.gen(function*() {
        const result = yield* run("sh", ["-c", "cat; echo answer; echo problem >&2; exit 3"])
        assert.deepStrictEqual(result, { code: 3, stdout: "answer\n", stderr: "problem\n" })
      }))

    it.effect("passes arguments as they are and no environment but the C locale and a PATH with the sbin directories", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* run("printf", ["%s", "$HOME; `id` \"'"])).stdout, "$HOME; `id` \"'")
        const lines = (yield* run("env", [])).stdout.trim().split("\n").toSorted()
        assert.deepStrictEqual(lines, ["LC_ALL=C", `PATH=/usr/sbin:/usr/bin:/sbin:/bin:${process.env["PATH"]}`])
      }))

    it.effect("keeps the first 64 KiB of each output and lets the program write on", () =>
      Effect.gen(function*() {
        const megabyte = "head -c 1000000 /dev/zero"
        const { code, stdout, stderr } = yield* run("sh", ["-c", `${megabyte}; ${megabyte} >&2; exit 5`])
        assert.deepStrictEqual([code, stdout.length, stderr.length], [5, 65536, 65536])
      }))

    it.effect("a program that is not installed is an error that names it", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run("no-such-program", []))
        assert.strictEqual(error.message, "no-such-program cannot be run: spawn no-such-program ENOENT")
        assert.isFalse(error.timedOut)
      }))

    it.effect("arguments that no program can be given are an error", () =>
      Effect.gen(function*() {
        for (const argument of ["a\0b", "x".repeat(10_000_000)]) {
          assert.match((yield* Effect.flip(run("true", [argument]))).message, /^true cannot be run: /)
        }
      }))

    it.effect("the limit holds where interruption is not allowed", () =>
      Effect.gen(function*() {
        const { fiber, pids } = yield* started("echo $$ >> $1; exec sleep 100", 1, Effect.uninterruptible)
        yield* TestClock.adjust("1 minute")
        yield* real(allGone(pids))
        yield* TestClock.adjust("20 millis")
        assert.isTrue((yield* Effect.flip(Fiber.join(fiber))).timedOut)
      }))

    it.effect("a program that was killed has no result", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run("sh", ["-c", "kill -9 $$"]))
        assert.strictEqual(error.message, "sh was killed by SIGKILL")
        assert.isFalse(error.timedOut)
      }))

    it.effect("trap: external commands without a limit. At the limit the whole group ends, grandchildren too", () =>
      Effect.gen(function*() {
        const script = "sh -c 'echo $$ >> $1; sleep 100 & echo $! >> $1; wait' test $1 & echo $$ >> $1; wait"
        const { fiber, pids } = yield* started(script, 3)
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 second")
        yield* real(allGone(pids))
        yield* TestClock.adjust("20 millis")
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(error.message, "sh did not end within 1m and was stopped")
        assert.isTrue(error.timedOut)
      }))

    it.effect("what ignores SIGTERM is killed 2 seconds later", () =>
      Effect.gen(function*() {
        const { fiber, pids } = yield* started("trap '' TERM; sleep 100 & echo $! >> $1; echo $$ >> $1; wait", 2)
        yield* pass(61, "1 second")
        assert.isFalse(yield* allGone(pids))
        yield* pass(55, "20 millis")
        yield* real(allGone(pids))
        yield* TestClock.adjust("20 millis")
        assert.isTrue((yield* Effect.flip(Fiber.join(fiber))).timedOut)
      }))

    it.effect("interruption ends the whole group", () =>
      Effect.gen(function*() {
        const { fiber, pids } = yield* started("sleep 100 & echo $! >> $1; echo $$ >> $1; wait", 2)
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* real(allGone(pids))
        yield* TestClock.adjust("20 millis")
        yield* Fiber.join(interruption)
      }))

    it.effect("what not even SIGKILL ends is left behind and counted", () =>
      Effect.gen(function*() {
        // One that has left the group is as safe from the signals as one in an uninterruptible sleep.
        const away = "setsid sh -c 'echo $$ >> $1; exec sleep 100' test $1"
        const script = `${away} & until [ -s $1 ]; do sleep 0.01; done; echo $$ >> $1; wait`
        const logs = capturedLogs()
        const { fiber, pids } = yield* logs.run(started(script, 2))
        yield* TestClock.adjust("1 minute")
        yield* pass(160, "20 millis")
        assert.isTrue((yield* Effect.flip(Fiber.join(fiber))).timedOut)
        assert.strictEqual((yield* Metric.value(hostCommandsLeftTotal)).count, 1)
        assert.deepStrictEqual(logs.lines.map(({ message }) => message), [
          "a program cannot be killed and is left behind"
        ])
        process.kill(pids[0] ?? 0)
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
  })
})
