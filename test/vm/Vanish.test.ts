import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect, Schedule } from "effect"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import { exported } from "./support/Outages.ts"
import { report } from "./support/Report.ts"
import { attach, eventually, formatted, isClean, raw } from "./support/Volumes.ts"

/** The kernel gives up after three attempts. */
const impatient = { ctrlLossTmo: "6", reconnectDelay: "2" }

/** What is wrong has to be told within that time. */
const tellMillis = 10_000

/** Milliseconds until what is looked at all the time is as it should be. */
const timed = Effect.fnUntraced(function*<A, E, R>(look: Effect.Effect<A, E, R>, isGood: (seen: A) => boolean) {
  const from = yield* Clock.currentTimeMillis
  yield* look.pipe(
    Effect.filterOrFail(isGood, (seen) => `for a minute: ${JSON.stringify(seen)}`),
    Effect.retry({ times: 300, schedule: Schedule.spaced("200 millis") })
  )
  return (yield* Clock.currentTimeMillis) - from
})

describe.skipIf(prepared === undefined)("a connection that the kernel gives up (ctrl_loss_tmo)", () => {
  layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      "is told and made again; staging is mounted afresh when unused, and never torn from under a pod",
      Effect.fnUntraced(function*() {
        const { appliance, claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const volumes = {
          unused: yield* claim(pvc(1), formatted("ext4"), [nodeA], impatient),
          used: yield* claim(pvc(2), formatted("ext4"), [nodeA], impatient),
          block: yield* claim(pvc(3), raw, [nodeA], impatient)
        }
        const unused = yield* attach(nodeA, volumes.unused, "pod")
        const used = yield* attach(nodeA, volumes.used, "pod")
        const block = yield* attach(nodeA, volumes.block, "pod")
        const write = (path: string, seed: string) =>
          Effect.flatMap(startWriter(vm, path, seed, 1), ({ written }) => Effect.map(written, ({ blocks }) => blocks))
        const ofUnused = yield* write(`${unused.path}/data`, "unused")
        const ofUsed = yield* write(`${used.path}/data`, "used")
        const ofBlock = yield* write(block.path, "block")
        yield* unused.unpublish("pod")
        const pods = [
          yield* startWriter(vm, `${used.path}/more`, "pod", 600, 100),
          yield* startWriter(vm, block.path, "block", 600, 100)
        ]
        // A program that does not notice, and keeps the number of the lost device taken.
        const holder = yield* vm.start(["sh", "-c", `exec 3<>${block.path}; exec sleep 3600`])
        yield* vm.sh(`until grep -q sleep /proc/${holder.pid}/comm; do sleep 0.1; done`)
        const ids = Object.values(volumes).map(({ volumeId }) => volumeId)
        const underPods = vm.sh(`grep ${volumes.used.volumeId} /proc/1/mountinfo; stat -c %t:%T ${block.path}`)
        const before = yield* underPods

        yield* exported(appliance, ids, false)
        yield* eventually(vm, `! grep -qE '${ids.join("|")}' /sys/class/nvme/*/subsysnqn`)
        const told = yield* Effect.all({
          condition: timed(
            unused.condition(unused.staging),
            ({ abnormal, message }) => abnormal === true && message.includes("or not at all")
          ),
          metric: timed(nodeA.metrics, (text) => text.includes(`rds_csi_nvme_connections{state="gone"} 3`)),
          log: timed(nodeA.log, (text) => text.split("the connection of a staged volume is gone").length === 4)
        }, { concurrency: 3 })
        for (const [who, millis] of Object.entries(told)) assert.isAtMost(millis, tellMillis, who)
        for (const { written } of pods) assert.strictEqual((yield* Effect.exit(written))._tag, "Failure")

        yield* exported(appliance, ids, true)
        const usable = (volume: typeof unused) =>
          timed(volume.condition(volume.staging), ({ abnormal }) => abnormal === false)
        const recovered = yield* usable(unused)
        yield* eventually(vm, `test $(grep -lE '${ids.join("|")}' /sys/class/nvme/*/subsysnqn | wc -l) = 3`)
        // Three more looks of the watcher, which may not take anything from the pods.
        yield* Effect.sleep("15 seconds")
        assert.strictEqual(yield* underPods, before)
        for (const volume of [used, block]) {
          const { abnormal, message } = yield* volume.condition(volume.path)
          assert.isTrue(abnormal, message)
          assert.include(message, "came back as another device")
        }

        yield* vm.sh(`kill ${holder.pid}`)
        yield* used.unpublish("pod")
        yield* block.unpublish("pod")
        const afterPods = yield* usable(used)
        yield* usable(block)
        for (const volume of [unused, used, block]) yield* volume.publish("next")
        assert.strictEqual(yield* wrongBlocks(vm, `${unused.target("next")}/data`, "unused", ofUnused), 0)
        assert.strictEqual(yield* wrongBlocks(vm, `${used.target("next")}/data`, "used", ofUsed), 0)
        assert.strictEqual(yield* wrongBlocks(vm, block.target("next"), "block", ofBlock), 0)
        for (const volume of [unused, used, block]) {
          yield* volume.unpublish("next")
          yield* volume.unstage
        }
        yield* Effect.forEach(Object.values(volumes), (volume) => isClean(nodeA, volume))
        const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`
        yield* report(
          "vanished",
          { class: impatient, toldMillis: told, recoveredMillis: recovered, recoveredAfterPodMillis: afterPods },
          `told after ${seconds(Math.max(...Object.values(told)))}; unused staging usable ${
            seconds(recovered)
          } after ` +
            `the export was back, used staging ${seconds(afterPods)} after the pod was gone`
        )
      })
    )
  })
})
