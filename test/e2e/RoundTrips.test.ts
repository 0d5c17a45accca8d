import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import { type ControllerCalls, controllerCalls } from "../support/ControllerCalls.ts"
import { GiB, pvc } from "../support/Requests.ts"
import { base, TestCluster } from "../support/TestCluster.ts"

/** How many commands the appliance was asked to run for it, those of opening a connection apart. */
const execsOf = Effect.fnUntraced(function*<A, E>(call: (controller: ControllerCalls) => Effect.Effect<A, E>) {
  const { client, simulator } = yield* TestCluster
  yield* simulator.resetExecs
  yield* call(controllerCalls(client))
  return (yield* simulator.execs).filter(({ line }) => !line.includes("/system/resource")).length
})

/** In the order of a volume's life; what each may cost when nothing is wrong. */
const life: ReadonlyArray<{
  readonly rpc: string
  readonly atMost: number
  readonly call: (controller: ControllerCalls, name: string) => Effect.Effect<unknown, unknown>
}> = [
  { rpc: "CreateVolume", atMost: 1, call: ({ create }, name) => create(name) },
  { rpc: "CreateVolume again", atMost: 1, call: ({ create }, name) => create(name) },
  { rpc: "ControllerPublishVolume", atMost: 1, call: ({ publish }, name) => publish(name, "node-a") },
  { rpc: "ControllerExpandVolume", atMost: 1, call: ({ expand }, name) => expand(name, 2n * GiB) },
  { rpc: "ControllerExpandVolume again", atMost: 1, call: ({ expand }, name) => expand(name, 2n * GiB) },
  { rpc: "ControllerGetVolume", atMost: 1, call: ({ get }, name) => get(name) },
  { rpc: "ListVolumes", atMost: 1, call: ({ list }) => list() },
  { rpc: "GetCapacity", atMost: 1, call: ({ capacity }) => capacity() },
  { rpc: "ControllerUnpublishVolume", atMost: 1, call: ({ unpublish }, name) => unpublish(name, "node-a") },
  { rpc: "DeleteVolume", atMost: 2, call: ({ remove }, name) => remove(name) },
  { rpc: "DeleteVolume again", atMost: 1, call: ({ remove }, name) => remove(name) }
]

layer(TestCluster.layer(), { excludeTestServices: true })("round trips over SSH", (it) => {
  it.effect("of every RPC in a volume's life", () =>
    Effect.forEach(
      life,
      ({ atMost, call, rpc }) =>
        Effect.map(execsOf((controller) => call(controller, pvc(1))), (execs) => assert.isAtMost(execs, atMost, rpc))
    ))

  it.effect("a volume in a directory of its class, once the directory is there, costs no more", () =>
    Effect.gen(function*() {
      const parameters = { volumePath: `${base}/fast` }
      yield* execsOf(({ create }) => create(pvc(1), { parameters }))
      assert.strictEqual(yield* execsOf(({ create }) => create(pvc(2), { parameters })), 1)
      for (const n of [1, 2]) assert.strictEqual(yield* execsOf(({ remove }) => remove(pvc(n))), 2)
    }))

  it.effect("100 concurrent ControllerGetVolume take at most 5 execs", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const controller = controllerCalls(client)
      const names = Array.makeBy(100, pvc)
      yield* Effect.forEach(names.slice(0, 10), (name) => controller.create(name), { concurrency: 4 })
      const execs = yield* execsOf(({ get }) =>
        Effect.forEach(names, (name, i) =>
          Effect.map(Effect.result(get(name)), (found) => {
            assert.strictEqual(found._tag, i < 10 ? "Success" : "Failure")
          }), { concurrency: "unbounded" })
      )
      assert.isAtMost(execs, 5)
      yield* Effect.forEach(names.slice(0, 10), controller.remove, { concurrency: 4 })
    }))

  it.effect("a refused request costs none", () =>
    Effect.gen(function*() {
      const refused = yield* execsOf(({ create, expand, get, remove, unpublish }) =>
        Effect.all([
          Effect.flip(create("")),
          Effect.flip(create(pvc(1), { parameters: { volumePath: "/elsewhere" } })),
          Effect.flip(expand("no such id", GiB)),
          Effect.flip(get("no such id")),
          remove("no such id"),
          unpublish("no such id", "")
        ])
      )
      assert.strictEqual(refused, 0)
    }))
})
