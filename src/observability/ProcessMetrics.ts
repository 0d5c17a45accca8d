import { Effect, FileSystem, Metric } from "effect"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { eventLoopLagSeconds, processOpenFds, processResidentMemoryBytes, processStartTimeSeconds } from "./Metrics.ts"

/** Milliseconds between two ticks of the event loop's watch. */
const resolution = 20

/** Watches the process until the scope closes; answers an effect that brings the process metrics up to date. */
export const watchProcess = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const lag = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable())
  )
  yield* Metric.update(processStartTimeSeconds, performance.timeOrigin / 1e3)

  const refresh = Effect.gen(function*() {
    yield* Metric.update(processResidentMemoryBytes, process.memoryUsage.rss())
    // What is measured is the time between two ticks.
    yield* Metric.update(eventLoopLagSeconds, Math.max(lag.max / 1e9 - resolution / 1e3, 0))
    lag.reset()
    // proc(5). Elsewhere there is no such directory, and the metric stays absent.
    const descriptors = yield* Effect.option(fs.readDirectory("/proc/self/fd"))
    if (descriptors._tag === "Some") yield* Metric.update(processOpenFds, descriptors.value.length)
  })
  return refresh
})
