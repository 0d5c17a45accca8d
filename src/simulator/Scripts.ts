import { Deferred, Duration, Effect } from "effect"
import type { ConsoleCall } from "./Console.ts"
import { calm, CurrentConditions } from "./device/Conditions.ts"
import type { Device } from "./device/Device.ts"
import type { Script } from "./device/Model.ts"
import type { Power } from "./device/Power.ts"
import type { Volatile } from "./device/Volatile.ts"
import { type Break, conditionsOf, planOf } from "./faults/FaultPlan.ts"
import type { Faults } from "./faults/Faults.ts"
import { makeSession } from "./language/Session.ts"
import { type Caller, type CommandCall, notPermitted, policies, type Policy, RosError } from "./menu/Menu.ts"

/** Runs scripts: the text of `:execute` in the background, those of `/system/script/run` as part of the command that asks. */
export interface Scripts {
  /** Starts a job and answers its number at once. What it prints is lost; its error is in the log. */
  execute(source: string, caller: Caller): Effect.Effect<number>
  /** Runs a script to its end, with the caller's policies or with the script's own. Fails with the script's error. */
  run(script: Script, call: CommandCall, ownPolicies: boolean): Effect.Effect<void, RosError>
}

interface Parts {
  readonly device: Device["Service"]
  readonly memory: Volatile["Service"]
  readonly power: Power["Service"]
  readonly faults: Faults["Service"]
  /** The device's command line. */
  readonly run: (call: ConsoleCall) => Effect.Effect<void>
}

/** Scripts that run scripts beyond this fail. */
const maximumDepth = 16

/** Columns at which `print` wraps where there is no terminal. */
const width = 80

export const makeScripts = ({ device, faults, memory, power, run }: Parts): Scripts => {
  /** Runs the work as a job, which ends early when the job is removed; answers whether it did. */
  const asJob = <E>(
    { user: owner, ...caller }: Caller,
    script: string | undefined,
    parent: number | undefined,
    work: (job: number) => Effect.Effect<void, E>
  ) =>
    Effect.acquireUseRelease(
      Effect.gen(function*() {
        const removed = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const stop = Effect.andThen(Deferred.succeed(removed, undefined), Deferred.await(ended))
        const begun = { type: "command", script, owner, policies: [...caller.policies], parent, stop } as const
        return { job: yield* memory.beginJob(begun), removed, ended }
      }),
      ({ job, removed }) => Effect.raceFirst(Effect.as(work(job), false), Effect.as(Deferred.await(removed), true)),
      ({ ended, job }) => Effect.andThen(memory.endJob(job), Deferred.succeed(ended, undefined))
    )

  const breakOff = Effect.fnUntraced(function*(how: Break) {
    if (how.how === "hang") return yield* Effect.never
    if (how.how === "reboot") yield* power.reboot(how.down)
    return yield* Effect.interrupt
  })

  /** The work of a job under the faults that apply to its text; without any, under the conditions that there are. */
  const withFaults = Effect.fnUntraced(function*<E>(source: string, user: string, work: Effect.Effect<void, E>) {
    const fired = yield* faults.forText("job", source, user)
    if (fired.length === 0) return yield* work
    const plan = planOf(fired)
    const broken = plan.breaks === undefined ? Effect.interrupt : breakOff(plan.breaks)
    if (!Duration.isZero(plan.delay)) yield* Effect.sleep(plan.delay)
    if (plan.breaks?.moment === "before") return yield* broken
    yield* Effect.provideService(work, CurrentConditions, conditionsOf(plan, broken))
    if (plan.breaks !== undefined) return yield* broken
  })

  const failed = (what: string) => (message: string) =>
    Effect.andThen(
      memory.log("script,error", `executing script ${what} failed, please check it manually`),
      memory.log("script,error,debug", message)
    )

  const execute = Effect.fnUntraced(function*(source: string, caller: Caller) {
    const started = yield* Deferred.make<number>()
    const whole = asJob(caller, undefined, undefined, (job) => {
      const inside = { ...caller, job, script: undefined, background: true }
      const emit = () => Effect.void
      const call = { line: source, session: makeSession(), caller: inside, terminalWidth: width, emit }
      const work = withFaults(source, caller.user, run({ ...call, report: failed("from :execute") }))
      return Effect.andThen(Deferred.succeed(started, job), work)
    })
    const lasting = device.config.unsure.executeLostConnection === "finish"
      ? whole
      : Effect.raceFirst(whole, caller.disconnected)
    yield* power.run(Effect.provideService(Effect.asVoid(lasting), CurrentConditions, calm))
    return yield* Deferred.await(started)
  })

  const isTooDeep = Effect.fnUntraced(function*(from: number | undefined) {
    const jobs = new Map((yield* memory.jobs).map(({ number, parent }) => [number, parent]))
    let depth = 0
    for (let job = from; job !== undefined && depth <= maximumDepth; job = jobs.get(job)) depth += 1
    return depth > maximumDepth
  })

  const runScript = Effect.fnUntraced(function*(
    { dontRequirePermissions, id, name, source, ...script }: Script,
    { caller, emit, terminalWidth }: CommandCall,
    ownPolicies: boolean
  ): Effect.fn.Return<void, RosError> {
    const own = new Set(script.policies.filter(isPolicy))
    if (!dontRequirePermissions && !own.isSubsetOf(caller.policies)) return yield* notPermitted
    if (yield* isTooDeep(caller.job)) return yield* new RosError({ message: "failure: too many nested scripts" })
    yield* memory.noteRun(id)
    let error: string | undefined
    const report = (message: string) => Effect.sync(() => void (error = message))
    const removed = yield* asJob(caller, name, caller.job, (job) => {
      const inside = { ...caller, job, script: name, ...ownPolicies ? { policies: own } : {} }
      const work = run({ line: source, session: makeSession(), caller: inside, terminalWidth, emit, report })
      return caller.background ? withFaults(source, caller.user, work) : work
    })
    if (removed) return yield* new RosError({ message: "interrupted" })
    if (error !== undefined) return yield* new RosError({ message: error })
  })

  return { execute, run: runScript }
}

const isPolicy = (name: string): name is Policy => policies.some((policy) => policy === name)
