import { Effect } from "effect"
import type { SimulatorProcess } from "../test/support/SimulatorProcess.ts"
import { serve } from "./Cluster.ts"
import { percentile, timed } from "./Load.ts"

/** From the start of the process to the answer to the first Probe, in milliseconds. */
export interface StartUp {
  readonly name: "controller" | "node"
  readonly p50: number
  readonly slowest: number
}

/** Starts each process so many times, one after the other. */
export const startUps = Effect.fnUntraced(function*(
  { controllerFlags, directory, nodeFlags }: SimulatorProcess,
  times: number
) {
  const start = (name: StartUp["name"], flags: ReadonlyArray<string>) =>
    Effect.fnUntraced(function*(n: number) {
      const [millis] = yield* Effect.scoped(timed(serve(`${directory}/start-${name}-${n}.sock`, [name, ...flags])))
      return millis
    })
  const series = Effect.fnUntraced(function*(name: StartUp["name"], flags: ReadonlyArray<string>) {
    const numbers = Array.from({ length: times }, (_, n) => n)
    const millis = (yield* Effect.forEach(numbers, start(name, flags))).sort((a, b) => a - b)
    return { name, p50: percentile(millis, 0.5), slowest: percentile(millis, 1) } satisfies StartUp
  })
  return [yield* series("controller", controllerFlags), yield* series("node", nodeFlags)]
})
