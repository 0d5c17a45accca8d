import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"
import { pvc } from "../support/Requests.ts"
import { seed } from "../support/Thorough.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import type { NodePlugin } from "./support/NodePlugin.ts"
import { type Outage, planOutages } from "./support/OutagePlan.ts"
import { endure, reconnected, resumeMillis, type Subject } from "./support/Outages.ts"
import { report, spread } from "./support/Report.ts"
import { attach, formatted, raw } from "./support/Volumes.ts"

/** `RDS_CSI_OUTAGES` makes it fewer, for a look. */
const outages = Number(process.env["RDS_CSI_OUTAGES"] ?? 30)

/**
 * A connection that ended is tried again after reconnect_delay. Where frames are lost silently it need not end: TCP sends again
 * at growing pauses, at most until the kernel's time limit for a request, 30 s, is over and the connection is made anew. The
 * kernel looks at such limits every few seconds only, and an emulated one takes seconds to connect.
 */
const limitMillis = ({ reconnectDelaySeconds }: Subject, { kind }: Outage) =>
  reconnectDelaySeconds * 1000 + (kind === "port" || kind === "cable" ? 42_000 : 6000)

/** A volume of its own that a pod on the node writes to from now on, and all that may not change meanwhile. */
const writingPod = Effect.fnUntraced(function*(
  plugin: NodePlugin,
  number: number,
  kind: "ext4" | "block",
  reconnectDelaySeconds: number
) {
  const { claim } = yield* Cluster
  const { vm } = plugin
  const capability = kind === "block" ? raw : formatted(kind)
  const claimed = yield* claim(pvc(number), capability, [plugin], { reconnectDelay: String(reconnectDelaySeconds) })
  const { path, unpublish, unstage } = yield* attach(plugin, claimed, "pod")
  const file = kind === "block" ? path : `${path}/data`
  const place = vm.sh(`
    grep ' ${path} ' /proc/1/mountinfo || stat -c %t:%T ${path}
    grep -l ${claimed.volumeId} /sys/class/nvme-subsystem/*/subsysnqn
  `)
  const before = yield* place
  const { stop } = yield* startWriter(vm, file, seed, 3600, 50)
  return {
    vm,
    volumeId: claimed.volumeId,
    reconnectDelaySeconds,
    stop,
    /** Checks what must not have changed, takes the volume away. */
    end: Effect.fnUntraced(function*(blocks: number) {
      assert.strictEqual(yield* place, before)
      assert.strictEqual(yield* wrongBlocks(vm, file, seed, blocks), 0)
      assert.strictEqual(yield* vm.sh(`dmesg | grep -ci "i/o error" || true`), "0")
      yield* unpublish("pod")
      yield* unstage
    })
  }
})

describe.skipIf(prepared === undefined)("while pods write", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      `${outages} random outages in a row, of 1 to 60 s: no I/O error, no byte lost, no other mount or device`,
      Effect.fnUntraced(function*() {
        const { nodeA, nodeB } = yield* Cluster
        const pods = [yield* writingPod(nodeA, 1, "ext4", 2), yield* writingPod(nodeB, 2, "block", 5)]
        const plan = yield* planOutages(outages).pipe(Random.withSeed(seed))
        const begun = yield* Clock.currentTimeMillis
        const endured = yield* Effect.forEach(plan, (outage) =>
          Effect.gen(function*() {
            const absence = yield* endure(outage, pods)
            yield* Effect.forEach(pods, reconnected, { concurrency: 2 })
            yield* Effect.sleep("1 second")
            return { outage, absence, offsets: yield* Effect.forEach(pods, ({ vm }) => vm.clockOffset) }
          }))
        const tookMillis = (yield* Clock.currentTimeMillis) - begun
        const written = yield* Effect.forEach(pods, ({ stop }) => stop)

        const rows = endured.map(({ absence, offsets, outage }) => ({
          ...outage,
          awayMillis: absence.back - absence.away,
          resumeMillis: written.map(({ stalls }, pod) => resumeMillis(absence, stalls, offsets[pod] ?? 0))
        }))
        const summary = pods.map(({ reconnectDelaySeconds }, pod) => {
          const { maximum, median } = spread(rows.map(({ resumeMillis }) => resumeMillis[pod] ?? Infinity))
          return { reconnectDelaySeconds, medianMillis: median, maximumMillis: maximum }
        })
        const said = summary.map(({ maximumMillis, medianMillis, reconnectDelaySeconds }) =>
          `${medianMillis} ms, at most ${maximumMillis} ms with reconnect_delay ${reconnectDelaySeconds} s`
        )
        yield* report(
          "outages",
          { seed, tookMillis, summary, outages: rows },
          `seed ${seed}, ${outages} in ${Math.round(tookMillis / 1000)} s; I/O went on after a median of ${
            said.join("; ")
          }`
        )

        for (const [number, pod] of pods.entries()) {
          const blocks = written[number]?.blocks ?? 0
          assert.isAbove(blocks, 10 * outages)
          yield* pod.end(blocks)
        }

        for (const row of rows) {
          for (const [number, pod] of pods.entries()) {
            const resumed = row.resumeMillis[number]
            assert.isDefined(resumed, `an outage that ${pod.vm.name} did not feel: ${JSON.stringify(row)}`)
            assert.isAtMost(resumed ?? Infinity, limitMillis(pod, row), `${pod.vm.name}: ${JSON.stringify(row)}`)
          }
        }
      }),
      2_400_000
    )

    it.effect(
      "the appliance loses power and boots: no I/O error, and nothing lost that was on its disk",
      Effect.fnUntraced(function*() {
        const { appliance, claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(3), formatted("ext4"), [nodeA])
        const { path, unpublish, unstage } = yield* attach(nodeA, claimed, "pod")
        const mount = yield* vm.sh(`grep ' ${path} ' /proc/1/mountinfo`)
        const { stop } = yield* startWriter(vm, `${path}/data`, "power", 600)
        yield* appliance.vm.cut
        yield* appliance.vm.powerOn
        yield* appliance.start
        yield* reconnected({ vm, volumeId: claimed.volumeId, reconnectDelaySeconds: 2 })
        yield* Effect.sleep("2 seconds")
        const { blocks, slowestMillis } = yield* stop
        assert.isAtLeast(slowestMillis, 4000)
        // A write that was answered and not flushed yet: the appliance had it in memory only, and the node does not send it again.
        assert.isAtMost(yield* wrongBlocks(vm, `${path}/data`, "power", blocks), 1)
        assert.strictEqual(yield* vm.sh(`grep ' ${path} ' /proc/1/mountinfo`), mount)
        yield* unpublish("pod")
        yield* unstage
      })
    )
  })
})
