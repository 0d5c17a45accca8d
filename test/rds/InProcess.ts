import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { Clock, Deferred, Duration, Effect, Layer, Schedule } from "effect"
import { type SshSession, SshTransport } from "../../src/rds/SshTransport.ts"
import { Console } from "../../src/simulator/Console.ts"
import { calm, CurrentConditions } from "../../src/simulator/device/Conditions.ts"
import { Device } from "../../src/simulator/device/Device.ts"
import { DeviceStore } from "../../src/simulator/device/DeviceStore.ts"
import { Power } from "../../src/simulator/device/Power.ts"
import { Volatile } from "../../src/simulator/device/Volatile.ts"
import { Exports } from "../../src/simulator/Exports.ts"
import { Faults } from "../../src/simulator/faults/Faults.ts"
import { makeSession } from "../../src/simulator/language/Session.ts"
import { operator } from "../../src/simulator/menu/Menu.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { clientOver } from "./Harness.ts"

/**
 * When a command is cut off: before it runs, after so many changes of the appliance, or when only its answer is left.
 */
export type Break = "none" | "before" | number | "after"

/**
 * The simulated appliance without SSH, for tests that run thousands of commands: the driver's own client and pool over
 * sessions that call the appliance's console. `breaks` are used up by the commands in their order, and so are `mangles`,
 * which make of an answer what arrives.
 */
export const startInProcess = Effect.fnUntraced(function*(options: SimulatorOptions = {}) {
  const config = Simulator.config(options)
  const context = yield* Layer.build(
    Console.layer.pipe(
      Layer.provideMerge(Power.layer),
      Layer.provideMerge(Device.layer(config)),
      Layer.provideMerge(Layer.mergeAll(DeviceStore.memory, Exports.none, Volatile.layer, Faults.layer)),
      Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer))
    )
  )
  const console = yield* Effect.provide(Console, context)
  const device = yield* Effect.provide(Device, context)
  const breaks: Array<Break> = []
  const mangles: Array<(answer: string) => string> = []

  const answer = Effect.fnUntraced(function*(line: string, at: Break) {
    let output = ""
    let changes = 0
    const emit = (text: string) =>
      Effect.sync(() => {
        output += text
      })
    const afterChange = Effect.suspend(() => ++changes === at ? Effect.interrupt : Effect.void)
    yield* console.run({ line, session: makeSession(), caller: operator, terminalWidth: 80, emit }).pipe(
      Effect.provideService(CurrentConditions, { ...calm, afterChange }),
      Effect.exit
    )
    return output
  })

  const exec = Effect.fnUntraced(function*(closed: Deferred.Deferred<string>, line: string) {
    const isProbe = line.includes("/system/resource")
    const at = isProbe ? "none" : breaks.shift() ?? "none"
    const mangle = isProbe ? undefined : mangles.shift()
    const output = at === "before" ? "" : yield* answer(line, at)
    if (at === "none") return mangle?.(output) ?? output
    yield* Deferred.succeed(closed, "ECONNRESET")
    return ""
  })

  const connect = Effect.gen(function*() {
    const closed = yield* Deferred.make<string>()
    yield* Effect.addFinalizer(() => Deferred.succeed(closed, "closed by the driver"))
    return { exec: (line) => exec(closed, line), closed: Deferred.await(closed) } satisfies SshSession
  })

  const rds = yield* clientOver(Layer.succeed(SshTransport, { address: "in process", connect }), { pool: patient })
  const { jobs } = yield* Effect.provide(Volatile, context)
  const power = yield* Effect.provide(Power, context)
  const reboot = Effect.andThen(power.reboot("1 millis"), eventually(power.isOn))
  return {
    rds,
    device,
    breaks,
    mangles,
    jobs,
    reboot,
    /** What somebody types on the appliance. */
    type: (line: string) => answer(line, "none")
  }
})

/** Limits that are not met when time is hurried and the machine is busy. */
const patient = {
  connectTimeout: "100 hours",
  readTimeout: "100 hours",
  writeTimeout: "100 hours",
  idleCheck: "100 hours"
} as const

/** Time runs a thousand times as fast, so that pauses between attempts take none of the test's. */
export const hurried = Effect.updateService(Clock.Clock, (clock): Clock.Clock => ({
  ...clock,
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  sleep: (duration) => clock.sleep(Duration.divideUnsafe(duration, 1000))
}))

/** Waits for the condition, however busy the machine is: a limit in hurried time would be none. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("1 second") })
