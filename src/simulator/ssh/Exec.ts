import { Deferred, Duration, Effect, Random } from "effect"
import type { ServerChannel } from "ssh2"
import { Console } from "../Console.ts"
import { CurrentConditions } from "../device/Conditions.ts"
import { Device } from "../device/Device.ts"
import { Power } from "../device/Power.ts"
import { ExecLog, type ExecRecord } from "../ExecLog.ts"
import { conditionsOf, type FaultPlan, planOf } from "../faults/FaultPlan.ts"
import { Faults } from "../faults/Faults.ts"
import { makeSession } from "../language/Session.ts"
import type { SimulatorConfig } from "../SimulatorConfig.ts"
import { breakOff } from "./BreakOff.ts"
import { makeCallers } from "./Callers.ts"
import type { Client } from "./Client.ts"

/** Longest line an exec request may carry where the device is read as cutting it; RouterOS documents no limit. */
const lineLength = 4096

/** An exec request as it came. */
export interface ExecRequest {
  readonly client: Client
  readonly channel: ServerChannel
  readonly command: string
  /** Columns at which `print` wraps. */
  readonly width: number
}

/** Runs exec requests: one physical line each, text and exit status 0 whatever happens (RouterOS manual, SSH). */
export const makeExec = Effect.gen(function*() {
  const console = yield* Console
  const device = yield* Device
  const callerOf = yield* makeCallers
  const power = yield* Power
  const faults = yield* Faults
  const log = yield* ExecLog
  const latency = latencyOf(device.config.latency)

  const answer = Effect.fnUntraced(function*(
    { channel, client, width }: ExecRequest,
    line: string,
    plan: FaultPlan,
    broken: Effect.Effect<never>
  ) {
    const { breaks } = plan
    // What a command printed before it was broken off is lost with the rest of its answer.
    const emit = (text: string) => breaks === undefined ? Effect.sync(() => void channel.write(text)) : Effect.void
    if (!Duration.isZero(plan.delay)) yield* Effect.sleep(plan.delay)
    if (breaks?.moment === "before") return yield* broken
    if (plan.answer === undefined) {
      const call = { line, session: makeSession(), caller: yield* callerOf(client), terminalWidth: width, emit }
      yield* Effect.provideService(console.run(call), CurrentConditions, conditionsOf(plan, broken))
    } else {
      yield* emit(`${plan.answer}\r\n`)
    }
    if (breaks !== undefined) return yield* broken
  })

  const script = Effect.fnUntraced(function*(request: ExecRequest) {
    const { channel, client } = request
    const line = physicalLine(request.command, device.config)
    const number = yield* log.begin({ user: client.user, connection: client.connection, line })
    const note = (outcome: ExecRecord["outcome"]) => log.note(number, { outcome })
    yield* Effect.gen(function*() {
      yield* latency
      const fired = yield* faults.forText("exec", line, client.user)
      yield* log.note(number, { faults: fired.map(({ rule }) => rule) })
      const plan = planOf(fired)
      const broken = plan.breaks === undefined ? Effect.interrupt : breakOff(plan.breaks, client, power, note)
      yield* answer(request, line, plan, broken)
      yield* note(Deferred.isDoneUnsafe(client.closed) ? "lost" : "answered")
      channel.exit(0)
      channel.end()
    }).pipe(Effect.ensuring(note("lost")))
  })

  /** Runs a request to its end, or until the connection closes where the device is read as stopping then. */
  return Effect.fnUntraced(function*(request: ExecRequest) {
    const running = yield* power.run(script(request))
    if (device.config.unsure.lostConnection === "finish") return
    const stop = Effect.sync(() => running.interruptUnsafe())
    yield* Effect.ensuring(Deferred.await(request.client.closed), stop)
  })
})

// Without a terminal the device takes one physical line (RouterOS manual, SSH).
const physicalLine = (command: string, { unsure }: SimulatorConfig): string => {
  const [line = ""] = command.split(/\r?\n/, 1)
  return unsure.longLine === "cut" ? line.slice(0, lineLength) : line
}

const latencyOf = ({ fixed, jitter }: SimulatorConfig["latency"]) => {
  const least = Duration.toMillis(Duration.fromInputUnsafe(fixed))
  const most = Duration.toMillis(Duration.fromInputUnsafe(jitter))
  if (least + most === 0) return Effect.void
  return Effect.flatMap(Random.next, (part) => Effect.sleep(least + part * most))
}
