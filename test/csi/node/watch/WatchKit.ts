import { Duration, Effect, Exit, Layer, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { NodeEvents, type NodeFact } from "../../../../src/csi/node/watch/NodeEvents.ts"
import { VolumeWatch } from "../../../../src/csi/node/watch/VolumeWatch.ts"
import { capturedLogs } from "../../../support/CapturedLogs.ts"
import type { Faults } from "../FaultyPorts.ts"
import * as Kit from "../NodeKit.ts"

export const pollSeconds = 5
export const graceSeconds = 30

/** A process that watches, with what it told and what it asked of the kernel. */
export interface Process {
  readonly driver: Kit.Driver
  /** What it told, oldest first. */
  readonly facts: ReadonlyArray<NodeFact>
  /** The operations of its ports, in order. */
  readonly operations: ReadonlyArray<string>
  /** Ends the process: nothing of it runs any more. */
  readonly kill: Effect.Effect<void>
}

/** Starts a process of the driver on the machine. It surveys the machine before this returns. */
export const startWatching = Effect.fnUntraced(
  function*(machine: Kit.Machine, faults: Faults = () => Effect.succeed("none")) {
    const facts: Array<NodeFact> = []
    const operations: Array<string> = []
    const scope = yield* Scope.fork(yield* Effect.scope)
    const events = Layer.succeed(NodeEvents, { publish: (fact) => Effect.sync(() => void facts.push(fact)) })
    const watching = VolumeWatch.layer({
      node: Kit.nodeConfig,
      pollInterval: Duration.seconds(pollSeconds),
      orphanGracePeriod: Duration.seconds(graceSeconds)
    }).pipe(Layer.provideMerge(events))
    const counted: Faults = (operation) =>
      Effect.tap(faults(operation), () => Effect.sync(() => operations.push(operation)))
    const driver = yield* Scope.provide(Kit.startDriver(machine, counted, watching), scope)
    yield* Kit.letRun
    const process: Process = { driver, facts, operations, kill: Scope.close(scope, Exit.void) }
    return process
  }
)

/** A machine with one staged volume and a process that watches it. */
export const setUp = Effect.fnUntraced(function*(change: Parameters<Kit.Driver["stage"]>[1] = {}) {
  const machine = yield* Kit.makeMachine()
  const volume = yield* Kit.addVolume(machine)
  const process = yield* startWatching(machine)
  yield* process.driver.stage(volume, change)
  return { machine, volume, process, driver: process.driver }
})

export const reasons = ({ facts }: Process) => facts.map(({ reason }) => reason)

/** Lets time pass; fibers that it wakes run until they wait again. */
export const elapse = (seconds: number) => TestClock.adjust(Duration.seconds(seconds))

/** Long enough for any change to be noticed. */
export const notice = elapse(pollSeconds + 1)

/** Takes the volume's controllers away, as when the kernel has given up. Its device comes back under another name. */
export const vanish = Effect.fnUntraced(function*({ exports, initiator }: Kit.Machine, { nqn }: Kit.TestVolume) {
  yield* exports.put(nqn, { up: false })
  yield* initiator.remove(nqn)
})

/** Runs the test with metrics and a log of its own. */
export const isolated = <A, E, R>(
  self: (logs: ReturnType<typeof capturedLogs>["lines"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const { lines, run } = capturedLogs("Info")
  return run(self(lines)).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
}

/** The value of a counter or gauge with exactly these labels; 0 when nothing was recorded. */
export const metric = (id: string, attributes: Readonly<Record<string, string>> = {}) =>
  Effect.map(Metric.snapshot, (snapshot) => {
    const wanted = Object.entries(attributes)
    const found = snapshot.find((one) =>
      one.id === id && Object.keys(one.attributes ?? {}).length === wanted.length &&
      wanted.every(([key, value]) => one.attributes?.[key] === value)
    )
    const state: unknown = found?.state
    if (typeof state !== "object" || state === null) return 0
    if ("count" in state) return Number(state.count)
    return "value" in state ? Number(state.value) : 0
  })

/** The volume's condition as kubelet reads it at the staging path. */
export const conditionOf = (driver: Kit.Driver, volume: Kit.TestVolume, volumePath: string = volume.stagingPath) =>
  Effect.map(driver.stats(volume, { volumePath }), ({ volumeCondition }) => volumeCondition)
