import { assert, describe, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import type { NodePlugin } from "./support/NodePlugin.ts"
import { unreadable } from "./support/Unreadable.ts"
import { attach, formatted, isClean, mountsAt, refused } from "./support/Volumes.ts"

/** How often the plugin has formatted something since its start. */
const formats = ({ log }: NodePlugin) => Effect.map(log, (text) => text.split("formatting a blank volume").length - 1)

describe.skipIf(prepared === undefined)("what loses data, tried on a real kernel", () => {
  layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      "trap: a device that cannot be read is not formatted (blkid says the same of it as of an empty one)",
      Effect.fnUntraced(function*() {
        const { appliance, claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(1), formatted("ext4"), [nodeA])
        const { publish, stage, target, unpublish, unstage } = nodeA.volume(claimed)
        const once = nodeA.volume(claimed, nodeA.once("2 minutes"))
        const unused = unreadable(appliance, claimed.volumeId, "whole", refused(once.stage, "UNAVAILABLE"))
        assert.include(yield* unused, "cannot be read")
        assert.strictEqual(yield* formats(nodeA), 0)
        yield* isClean(nodeA, claimed)

        yield* stage
        const path = yield* publish("pod")
        const { blocks } = yield* Effect.flatMap(startWriter(vm, `${path}/data`, "x", 1), ({ written }) => written)
        yield* unpublish("pod")
        yield* unstage
        const image = appliance.imageOf(claimed.volumeId)
        const content = appliance.vm.sh(`sync; head -c 4M ${image} | sha256sum`)
        const before = yield* content
        const used = unreadable(appliance, claimed.volumeId, "superblock", refused(once.stage, "UNAVAILABLE"))
        assert.include(yield* used, "cannot be read")
        assert.strictEqual(yield* content, before)
        assert.strictEqual(yield* formats(nodeA), 1)

        yield* stage
        yield* publish("pod")
        assert.strictEqual(yield* wrongBlocks(vm, `${target("pod")}/data`, "x", blocks), 0)
        yield* unpublish("pod")
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )

    it.effect(
      "trap: stage and publish twice, then one unpublish: nothing is stacked, and the content stays",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(2), formatted("ext4"), [nodeA])
        const { path, publish, stage, staging, unpublish, unstage } = yield* attach(nodeA, claimed, "pod")
        const { blocks } = yield* Effect.flatMap(startWriter(vm, `${path}/data`, "x", 1), ({ written }) => written)
        yield* stage
        yield* Effect.all([publish("pod"), publish("pod")], { concurrency: 2 })
        assert.strictEqual(yield* mountsAt(vm, staging), 1)
        assert.strictEqual(yield* mountsAt(vm, path), 1)
        yield* unpublish("pod")
        assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "")
        assert.strictEqual(yield* wrongBlocks(vm, `${staging}/data`, "x", blocks), 0)
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )

    it.effect(
      "trap: two stages at once do not both see an empty device",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const claimed = yield* claim(pvc(3), formatted("ext4"), [nodeA])
        const { stage, staging, unstage } = nodeA.volume(claimed)
        const before = yield* formats(nodeA)
        yield* Effect.all([stage, stage, stage], { concurrency: 3 })
        assert.strictEqual(yield* formats(nodeA), before + 1)
        assert.strictEqual(yield* mountsAt(nodeA.vm, staging), 1)
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )

    it.effect(
      "trap: calls that are cancelled disconnect and unmount nothing, and format once",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(4), formatted("ext4"), [nodeA])
        const { publish, stage, staging, unpublish, unstage } = nodeA.volume(claimed)
        const before = yield* formats(nodeA)
        for (const millis of [50, 150, 300, 600, 1200]) {
          yield* Effect.ignore(nodeA.volume(claimed, nodeA.once(millis)).stage)
        }
        yield* stage
        assert.strictEqual(yield* formats(nodeA), before + 1)

        const path = yield* publish("pod")
        const { stop } = yield* startWriter(vm, `${path}/data`, "x", 600, 50)
        const places = vm.sh(`grep ${claimed.volumeId} /proc/1/mountinfo; ls -d /sys/class/nvme/nvme*`)
        const mounted = yield* places
        let cancelled = 0
        for (const millis of [20, 60, 120, 250]) {
          const hasty = nodeA.volume(claimed, nodeA.once(millis))
          for (const call of [hasty.stage, hasty.publish("pod"), hasty.stats("pod"), hasty.unstage]) {
            const ended = yield* Effect.result(call)
            if (Result.isFailure(ended) && ended.failure.message.includes("DEADLINE_EXCEEDED")) cancelled++
          }
          assert.strictEqual(yield* places, mounted)
        }
        assert.isAbove(cancelled, 3)
        const { blocks } = yield* stop
        assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, "x", blocks), 0)
        yield* unpublish("pod")
        assert.strictEqual(yield* mountsAt(vm, staging), 1)
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )
  })
})
