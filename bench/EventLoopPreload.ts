/** Loaded by a driver process before its own program: at each SIGUSR2 tells its longest pause since the last one. */
import { monitorEventLoopDelay } from "node:perf_hooks"

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
process.on("SIGUSR2", () => {
  process.stderr.write(`longest pause: ${delay.max / 1e6} ms\n`)
  delay.reset()
})
