import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { Machines, prepared } from "./support/Machines.ts"
import { attach, formatted, raw } from "./support/Volumes.ts"

/** Every volume here is connected with it. */
const reconnectDelayMillis = 2000

interface Mishap {
  /** How long the pod writes. */
  readonly seconds: number
  /** The appliance is away for at least that time, and then it takes at most that time until the pod goes on. */
  readonly awayMillis: number
  readonly backMillis: number
  readonly lostBlocks?: number
  readonly mishap: Effect.Effect<void, unknown, Cluster | Machines>
}

describe.skipIf(prepared === undefined)("while a pod writes", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "4 minutes" })((it) => {
    const mishaps: Readonly<Record<string, Mishap>> = {
      "the network loses the appliance for 10 s": {
        seconds: 15,
        awayMillis: 10_000,
        // The controller notices by its keep-alive, or TCP sends again, at growing intervals.
        backMillis: 16_000,
        mishap: Effect.gen(function*() {
          const { lan } = yield* Machines
          yield* lan.cut("rds", true)
          yield* Effect.sleep("10 seconds")
          yield* lan.cut("rds", false)
        })
      },
      "the appliance restarts and is away for 10 s": {
        seconds: 15,
        awayMillis: 10_000,
        backMillis: reconnectDelayMillis + 5000,
        mishap: Effect.flatMap(Cluster, ({ appliance }) => appliance.reboot(10))
      },
      "the appliance's machine reboots": {
        seconds: 30,
        awayMillis: 5000,
        backMillis: 60_000,
        mishap: Effect.gen(function*() {
          const { appliance } = yield* Cluster
          yield* appliance.stop
          yield* appliance.vm.powerOff
          yield* appliance.vm.powerOn
          yield* appliance.start
        })
      },
      "the appliance loses power and boots": {
        seconds: 30,
        awayMillis: 5000,
        backMillis: 60_000,
        // A write that was answered and not flushed yet: the appliance had it in memory only, and the node does not send it again.
        lostBlocks: 1,
        mishap: Effect.gen(function*() {
          const { appliance } = yield* Cluster
          yield* appliance.vm.cut
          yield* appliance.vm.powerOn
          yield* appliance.start
        })
      }
    }
    for (
      const [number, [title, { awayMillis, backMillis, lostBlocks = 0, mishap, seconds }]] of Object.entries(mishaps)
        .entries()
    ) {
      it.effect(
        `${title}: no I/O error, nothing lost that was on disk, no other mount`,
        Effect.fnUntraced(function*() {
          const { claim, nodeA } = yield* Cluster
          const { vm } = nodeA
          const { path, unpublish, unstage } = yield* attach(
            nodeA,
            yield* claim(pvc(number), formatted("ext4"), [nodeA]),
            "pod"
          )
          const mount = yield* vm.sh(`grep ' ${path} ' /proc/1/mountinfo`)
          const { written } = yield* startWriter(vm, `${path}/data`, title, seconds)
          yield* mishap
          const { blocks, slowestMillis } = yield* written
          assert.isAtLeast(slowestMillis, awayMillis * 0.8)
          assert.isAtMost(slowestMillis, awayMillis + backMillis)
          assert.isAtMost(yield* wrongBlocks(vm, `${path}/data`, title, blocks), lostBlocks)
          assert.strictEqual(yield* vm.sh(`grep ' ${path} ' /proc/1/mountinfo`), mount)
          yield* unpublish("pod")
          yield* unstage
        })
      )
    }

    it.effect(
      "ten outages in a row, of 0.5 to 4 s: no I/O error and no byte lost on a block volume",
      Effect.fnUntraced(
        function*() {
          const { lan } = yield* Machines
          const { appliance, claim, nodeB } = yield* Cluster
          const { path, unpublish, unstage } = yield* attach(nodeB, yield* claim(pvc(10), raw, [nodeB]), "pod")
          const { written } = yield* startWriter(nodeB.vm, path, "outages", 45)
          for (const [number, seconds] of [1, 3, 0.5, 4, 2, 0.5, 3, 1, 4, 2].entries()) {
            if (number % 2 === 0) {
              yield* appliance.reboot(seconds)
              yield* Effect.sleep(seconds * 1000)
            } else {
              yield* lan.cut("node-b", true)
              yield* Effect.sleep(seconds * 1000)
              yield* lan.cut("node-b", false)
            }
            yield* Effect.sleep("2 seconds")
          }
          const { blocks } = yield* written
          assert.strictEqual(yield* wrongBlocks(nodeB.vm, path, "outages", blocks), 0)
          yield* unpublish("pod")
          yield* unstage
        }
      )
    )
  })
})
