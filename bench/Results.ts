import { Array as Arr, Effect, FileSystem } from "effect"
import { controllerCalls } from "../test/support/ControllerCalls.ts"
import { pvc } from "../test/support/Requests.ts"
import { type Cluster, startCluster } from "./Cluster.ts"
import { type InCluster, measureInCluster } from "./InCluster.ts"
import type { Load, Plan } from "./Plan.ts"
import { type Row, runRound } from "./Round.ts"
import { type StartUp, startUps } from "./StartUp.ts"
import { controllerSteps, nodeSteps, stagingPath } from "./Steps.ts"
import { measureWatching, type Watching } from "./Watching.ts"

/** Resident memory of a process after 1 000 RPCs, in bytes. */
export interface Memory {
  readonly name: "controller" | "node"
  readonly bytes: number
}

/** Everything that a run has measured. */
export interface Results {
  readonly controller: ReadonlyArray<Row>
  readonly node: ReadonlyArray<Row>
  readonly startUps: ReadonlyArray<StartUp>
  readonly memory: ReadonlyArray<Memory>
  /** None in a short run. */
  readonly inCluster: ReadonlyArray<InCluster>
  /** None in a short run. */
  readonly watching: ReadonlyArray<Watching>
}

/** 100 volumes, with 10 RPCs each, that a controller is busy with at a time. */
const controllerWork: Load = { inFlight: 16, calls: 100 }

/** As many volumes as a busy node has, with 5 RPCs each. */
const nodeWork: Load = { inFlight: 4, calls: 25 }
const nodeRounds = 8

/** Runs the plan. `tell` hears what comes next. */
export const measureAll = Effect.fnUntraced(function*(plan: Plan, tell: (what: string) => Effect.Effect<void>) {
  if (plan.weighs) yield* tell("a controller in a cluster of 1 000 volumes")
  const inCluster = plan.weighs ? [yield* measureInCluster] : []
  if (plan.weighs) yield* tell("watching a hundred volumes for half a minute")
  const watching = plan.weighs ? [yield* measureWatching] : []
  const cluster = yield* startCluster
  yield* tell(`starts each process ${plan.starts} times`)
  const starts = yield* startUps(cluster.simulator, plan.starts)
  if (plan.weighs) yield* tell("1 000 RPCs each")
  const memory = plan.weighs ? yield* memoryAfterWork(cluster) : []
  yield* tell("the node plugin")
  const node = yield* Effect.forEach(plan.nodeLoads, (load) => nodeRound(cluster, load))
  const controller: Array<Row> = []
  for (const { latencyMillis, loads } of plan.appliances) {
    yield* tell(`the controller, ${latencyMillis} ms away from the appliance`)
    yield* cluster.moveAway(latencyMillis)
    for (const load of loads) controller.push(...yield* controllerRound(cluster, load, latencyMillis))
  }
  return { controller, node: node.flat(), startUps: starts, memory, inCluster, watching } satisfies Results
}, Effect.scoped)

const controllerRound = (cluster: Cluster, load: Load, latencyMillis: number) =>
  runRound(controllerSteps(cluster), load, { latencyMillis, execs: cluster.execs })

/** On volumes that are there for this round only. */
const nodeRound = Effect.fnUntraced(function*(cluster: Cluster, load: Load) {
  const files = yield* FileSystem.FileSystem
  const { create, remove } = controllerCalls(cluster.controller)
  const volumes = Arr.makeBy(load.calls, (n) => ({ id: pvc(n), staging: stagingPath(cluster, n) }))
  yield* Effect.forEach(volumes, ({ staging }) => files.makeDirectory(staging, { recursive: true }))
  const contexts = yield* Effect.forEach(
    volumes,
    ({ id }) => Effect.map(create(id), ({ volumeContext }) => volumeContext),
    { concurrency: 4 }
  )
  const rows = yield* runRound(nodeSteps(cluster, contexts), load, { latencyMillis: 0, execs: cluster.execs })
  yield* Effect.forEach(volumes, ({ id }) => remove(id), { concurrency: 4 })
  return rows
})

const memoryAfterWork = Effect.fnUntraced(function*(cluster: Cluster) {
  yield* controllerRound(cluster, controllerWork, 0)
  const controller: Memory = { name: "controller", bytes: yield* cluster.controllerBytes }
  for (let round = 0; round < nodeRounds; round++) yield* nodeRound(cluster, nodeWork)
  const node: Memory = { name: "node", bytes: yield* cluster.nodeBytes }
  return [controller, node]
})
