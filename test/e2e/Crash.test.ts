import { assert, layer } from "@effect/vitest"
import { Array, Context, Effect, Fiber, FileSystem, Layer, ScopedRef } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { ExecRecord } from "../../src/simulator/ExecLog.ts"
import { type ControllerCalls, controllerCalls } from "../support/ControllerCalls.ts"
import type { GrpcClient, RpcFailure } from "../support/GrpcClient.ts"
import { holdings, holdingsOf } from "../support/Holdings.ts"
import { insist } from "../support/Insist.ts"
import { type CreateFields, GiB, pvc } from "../support/Requests.ts"
import { base, runDriver, TestCluster } from "../support/TestCluster.ts"
import { each } from "../support/Thorough.ts"
import { until } from "../support/Until.ts"

type Call = (controller: ControllerCalls, name: string) => Effect.Effect<unknown, RpcFailure>

/** An RPC that changes the appliance. */
interface Operation {
  readonly title: string
  /** For each command that the RPC sends: how many changes of the device it makes. */
  readonly commands: ReadonlyArray<number>
  readonly prepare: Call
  readonly call: Call
  /** What the CO does when the call was disturbed: the same again, or the opposite. */
  readonly afterwards: Call
}

/** A class whose volumes lie in a directory of their own, which CreateVolume has to make. */
const inDirectory = (name: string): CreateFields => ({ parameters: { volumePath: `${base}/${name}` } })

const nothing: Call = () => Effect.void
const create: Call = (controller, name) => controller.create(name)
const createInDirectory: Call = (controller, name) => controller.create(name, inDirectory(name))
const remove: Call = (controller, name) => controller.remove(name)
const expand: Call = (controller, name) => controller.expand(name, 3n * GiB)

// File, item, export.
const createVolume = { title: "CreateVolume", commands: [3], prepare: nothing, call: create, afterwards: create }

// The directory is missed, why is asked; then directory, note of where the file is, file, item, export, end of the note.
const createVolumeInDirectory = {
  title: "CreateVolume in a new directory",
  commands: [0, 0, 6],
  prepare: nothing,
  call: createInDirectory,
  afterwards: createInDirectory
}

const operations: ReadonlyArray<Operation> = [
  createVolume,
  createVolumeInDirectory,
  // What is there is asked, then export, item, file.
  { title: "DeleteVolume", commands: [0, 3], prepare: create, call: remove, afterwards: remove },
  // The same, between a note of where the file is and its end.
  {
    title: "DeleteVolume in a directory",
    commands: [0, 5],
    prepare: createInDirectory,
    call: remove,
    afterwards: remove
  },
  { title: "ControllerExpandVolume", commands: [1], prepare: create, call: expand, afterwards: expand }
]

/** Fault rules that hold an operation: before each command, after each change, after each command; and one that runs on. */
const momentsOf = ({ commands }: Operation): ReadonlyArray<string> =>
  commands.flatMap((changes, i) => [
    `hang=before nth=${i + 1}`,
    ...Array.makeBy(changes, (step) => `hang=during step=${step + 1} nth=${i + 1}`),
    `hang=after nth=${i + 1}`,
    ...changes > 0 ? [`delay=300ms nth=${i + 1}`] : []
  ])

/** As many as a controller has connections, each of which does one command at a time. */
const atOnce = 4

/** A volume and the fault rule that holds the operation on it. */
type Moment = readonly [name: string, rule: string]

const faultOf = ([name, rule]: Moment) => `${rule} match=${name}`

/** Whether the command has come as far as the fault lets it; one that is only late is not stopped. */
const isHeld = (execs: ReadonlyArray<ExecRecord>) => (moment: Moment) =>
  execs.some(({ faults, outcome }) =>
    faults.includes(faultOf(moment)) && (outcome === "hung" || moment[1].startsWith("delay"))
  )

type Disturb<E, R> = (calls: ReadonlyArray<Fiber.Fiber<unknown, RpcFailure>>) => Effect.Effect<unknown, E, R>

/** Holds the operation on each of these volumes at its moment, disturbs it there, and goes on as the CO does. */
const disturbAt = Effect.fnUntraced(function*<E, R>(
  { afterwards, call }: Operation,
  moments: ReadonlyArray<Moment>,
  disturb: Disturb<E, R>,
  client: Effect.Effect<GrpcClient>
) {
  const { simulator } = yield* TestCluster
  const before = controllerCalls(yield* client)
  const calls = yield* Effect.forEach(
    moments,
    (moment) => Effect.andThen(simulator.faults.add(faultOf(moment)), Effect.forkChild(call(before, moment[0])))
  )
  yield* until(Effect.map(simulator.execs, (execs) => moments.every(isHeld(execs))))
  yield* disturb(calls)
  yield* Effect.forEach(calls, Fiber.await, { discard: true })
  const after = controllerCalls(yield* client)
  yield* Effect.forEach(moments, ([name]) => insist(afterwards(after, name)), { concurrency: "unbounded" })
})

/**
 * Disturbs the operation at these moments, some at a time; the appliance must end as it does after an undisturbed call. The
 * volumes are numbered from `first`, which no other test may do: directories stay behind.
 */
const survives = Effect.fnUntraced(function*<E, R>({ client, disturb, first, operation, rules }: {
  readonly operation: Operation
  readonly rules: ReadonlyArray<string>
  readonly disturb: Disturb<E, R>
  readonly client: Effect.Effect<GrpcClient>
  readonly first: number
}) {
  const { client: undisturbedClient, simulator } = yield* TestCluster
  const controller = controllerCalls(undisturbedClient)
  const before = yield* holdings(simulator)
  const undisturbed = pvc(first)
  const moments = rules.map((rule, i): Moment => [pvc(first + 1 + i), rule])
  const names = [undisturbed, ...moments.map(([name]) => name)]

  yield* Effect.forEach(names, (name) => operation.prepare(controller, name), { concurrency: atOnce })
  yield* operation.call(controller, undisturbed)
  yield* operation.afterwards(controller, undisturbed)
  const expected = yield* holdingsOf(simulator, undisturbed)
  for (const some of Array.chunksOf(moments, atOnce)) yield* disturbAt(operation, some, disturb, client)
  yield* until(Effect.map(simulator.execs, (execs) => execs.every(({ outcome }) => outcome !== "running")))
  // A command of the disturbed call that outlived the retry may have left its note after that: the next call finds it.
  yield* Effect.forEach(moments, ([name]) => operation.afterwards(controller, name), { concurrency: atOnce })
  for (const [name, rule] of moments) assert.deepStrictEqual(yield* holdingsOf(simulator, name), expected, rule)

  yield* Effect.forEach(names, controller.remove, { concurrency: atOnce })
  const { disks, files } = yield* holdings(simulator)
  assert.deepStrictEqual(disks, before.disks)
  assert.deepStrictEqual(
    files.filter(({ directory }) => !directory),
    before.files.filter(({ directory }) => !directory)
  )
})

/** A controller to kill, beside the cluster's own driver. */
class Controller extends Context.Service<Controller, {
  readonly client: Effect.Effect<GrpcClient>
  /** `kill -9`, and a new process on the same socket. */
  readonly killAndRestart: Effect.Effect<void, unknown, ChildProcessSpawner.ChildProcessSpawner>
}>()("test/Controller") {
  static readonly layer = Layer.effect(
    Controller,
    Effect.gen(function*() {
      const { controllerFlags, directory } = yield* TestCluster
      const files = yield* FileSystem.FileSystem
      const socket = `${directory}/controller.sock`
      const start = runDriver(socket, ["controller", ...controllerFlags])
      const running = yield* ScopedRef.fromAcquire(start)
      return Controller.of({
        client: Effect.map(ScopedRef.get(running), ({ client }) => client),
        killAndRestart: Effect.gen(function*() {
          const { process } = yield* ScopedRef.get(running)
          yield* process.stop("SIGKILL")
          assert.isTrue(yield* files.exists(socket), "the socket of the dead process is in the way of the next")
          yield* ScopedRef.set(running, start)
        })
      })
    })
  )
}

const cluster = Controller.layer.pipe(Layer.provideMerge(TestCluster.layer()))

layer(cluster, { excludeTestServices: true })("the retry ends as an undisturbed call does, when", (it) => {
  for (const [i, operation] of operations.entries()) {
    const rules = momentsOf(operation)

    it.effect(`the controller is killed with -9 at any moment of ${operation.title}`, () =>
      Effect.gen(function*() {
        const { client, killAndRestart } = yield* Controller
        yield* survives({ operation, rules: each(8, rules), disturb: () => killAndRestart, client, first: 100 * i })
      }))

    it.effect(`the client cancels ${operation.title} at any moment`, () =>
      Effect.gen(function*() {
        const { client } = yield* TestCluster
        yield* survives({
          operation,
          rules: each(2, rules),
          disturb: Fiber.interruptAll,
          client: Effect.succeed(client),
          first: 100 * i + 50
        })
      }))
  }

  for (const [i, operation] of [createVolume, createVolumeInDirectory].entries()) {
    it.effect(`DeleteVolume follows a ${operation.title} that was cancelled at any moment and given up`, () =>
      Effect.gen(function*() {
        const { client } = yield* TestCluster
        yield* survives({
          operation: { ...operation, afterwards: remove },
          // A command that the appliance begins after the deletion is beyond anybody's knowledge.
          rules: each(2, momentsOf(operation).filter((rule) => !rule.startsWith("delay"))),
          disturb: Fiber.interruptAll,
          client: Effect.succeed(client),
          first: 2000 + 100 * i
        })
      }))
  }

  it.effect("the deadline of CreateVolume passes at any moment", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const hurried: GrpcClient = {
        call: (method, request) => client.call(method, request, { deadline: "1500 millis" })
      }
      yield* survives({
        operation: createVolume,
        rules: ["hang=before", "hang=during step=1", "hang=during step=2", "hang=after"],
        disturb: Effect.forEach(Fiber.await),
        client: Effect.succeed(hurried),
        first: 1000
      })
    }))
})
