import { assert, layer } from "@effect/vitest"
import { Array, Effect, Fiber } from "effect"
import { type ControllerCalls, controllerCalls } from "../support/ControllerCalls.ts"
import type { RpcFailure } from "../support/GrpcClient.ts"
import { holdings } from "../support/Holdings.ts"
import { GiB, pvc } from "../support/Requests.ts"
import { TestCluster } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

type Call = (controller: ControllerCalls, name: string) => Effect.Effect<unknown, RpcFailure>

const create: Call = (controller, name) => controller.create(name)
const remove: Call = (controller, name) => controller.remove(name)
const expand: Call = (controller, name) => controller.expand(name, 2n * GiB)

const pairs: ReadonlyArray<{ readonly first: Call; readonly second: Call }> = [
  { first: create, second: create },
  { first: remove, second: expand },
  { first: expand, second: remove }
]

/** Long enough for the second call to arrive while the appliance works for the first. */
const slow = "delay=700ms"

layer(TestCluster.layer(), { excludeTestServices: true })("calls at the same time", (it) => {
  it.effect("on one volume: one is done, the other is ABORTED and names the volume", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      const before = yield* holdings(simulator)
      yield* Effect.forEach(
        pairs,
        Effect.fnUntraced(function*({ first, second }, n) {
          const name = pvc(n)
          if (first !== create) yield* controller.create(name)
          yield* simulator.faults.add(`${slow} match=${name}`)
          const running = yield* Effect.forkChild(first(controller, name))
          const delayed = Effect.map(simulator.execs, (execs) =>
            execs.some(({ faults }) => faults.some((rule) => rule.includes(name))))
          yield* until(delayed)
          const aborted = yield* Effect.flip(second(controller, name))
          assert.strictEqual(aborted.code, "ABORTED", aborted.message)
          assert.include(aborted.details, name)
          yield* Fiber.join(running)
          yield* controller.unpublish(name, "")
          yield* controller.remove(name)
        }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* holdings(simulator), before)
    }))

  it.effect("an unpublish does not overtake the publish before it, and a publish not the delete", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      const name = pvc(1)
      const slowly = Effect.fnUntraced(function*(first: Effect.Effect<unknown, RpcFailure>) {
        yield* simulator.resetExecs
        yield* simulator.faults.add(`${slow} match=${name}`)
        const running = yield* Effect.forkChild(first)
        yield* until(Effect.map(simulator.execs, (execs) => execs.some(({ faults }) => faults.length > 0)))
        return running
      })
      yield* controller.create(name)
      const publishing = yield* slowly(controller.publish(name, "node-a"))
      yield* controller.unpublish(name, "node-a")
      yield* Fiber.join(publishing)
      assert.deepStrictEqual((yield* controller.get(name)).status?.publishedNodeIds, [])
      const removing = yield* slowly(controller.remove(name))
      assert.strictEqual((yield* Effect.flip(controller.publish(name, "node-a"))).code, "NOT_FOUND")
      yield* Fiber.join(removing)
    }))

  it.effect("100 CreateVolume of different volumes, then 100 DeleteVolume", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      const before = yield* holdings(simulator)
      const names = Array.makeBy(100, pvc)
      const made = yield* Effect.forEach(names, (name) => controller.create(name), { concurrency: "unbounded" })
      assert.deepStrictEqual(made.map(({ volumeId }) => volumeId), names)
      const disks = (yield* simulator.device.disks).map(({ nqn }) => nqn).sort()
      assert.deepStrictEqual(disks, names.map((name) => `nqn.2000-02.com.mikrotik:${name}`))
      assert.lengthOf((yield* controller.list()).entries, 100)
      yield* Effect.forEach(names, controller.remove, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* holdings(simulator), before)
    }))

  it.effect("20 CreateVolume of one name make one volume; each is answered with it or ABORTED", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      const answers = yield* Effect.forEach(
        Array.makeBy(20, () => pvc(1)),
        (name) => Effect.result(controller.create(name)),
        {
          concurrency: "unbounded"
        }
      )
      const refusals = answers.flatMap((answer) => answer._tag === "Failure" ? [answer.failure.code] : [])
      assert.isBelow(refusals.length, 20)
      assert.isTrue(refusals.every((code) => code === "ABORTED"), refusals.join())
      assert.lengthOf(yield* simulator.device.disks, 1)
      yield* controller.remove(pvc(1))
    }))

  it.effect("trap: two publishes at once both win; of two nodes exactly one gets the volume", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const controller = controllerCalls(client)
      yield* controller.create(pvc(1))
      for (let round = 0; round < 10; round++) {
        const answers = yield* Effect.forEach(
          ["node-a", "node-b"],
          (node) => Effect.result(controller.publish(pvc(1), node)),
          { concurrency: "unbounded" }
        )
        const winners = answers.filter(({ _tag }) => _tag === "Success")
        assert.lengthOf(winners, 1)
        assert.lengthOf((yield* controller.get(pvc(1))).status?.publishedNodeIds ?? [], 1)
        yield* controller.unpublish(pvc(1), "")
      }
      yield* controller.remove(pvc(1))
    }))
})
