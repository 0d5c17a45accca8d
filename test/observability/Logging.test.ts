import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestConsole } from "effect/testing"
import { loggingLayer } from "../../src/observability/Logging.ts"

const logged = Effect.andThen(
  Effect.all([Effect.logDebug("small"), Effect.logInfo("large")]),
  Effect.all([TestConsole.logLines, TestConsole.errorLines])
)

describe("loggingLayer", () => {
  it.effect("json writes one object a line to stderr, and nothing below its level", () =>
    Effect.gen(function*() {
      const [stdout, stderr] = yield* Effect.annotateLogs(logged, { volume_id: "pvc-1" })
      assert.deepStrictEqual(stdout, [])
      assert.strictEqual(stderr.length, 1)
      const line: unknown = JSON.parse(String(stderr[0]))
      assert.deepInclude(line, { message: "large", level: "INFO", annotations: { volume_id: "pvc-1" } })
    }).pipe(Effect.provide(loggingLayer({ format: "json", level: "Info" }))))

  it.effect("pretty goes to stderr too", () =>
    Effect.gen(function*() {
      const [stdout, stderr] = yield* logged
      assert.deepStrictEqual(stdout, [])
      assert.include(stderr.map(String).join("\n"), "small")
    }).pipe(Effect.provide(loggingLayer({ format: "pretty", level: "Debug" }))))
})
