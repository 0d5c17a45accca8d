import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import { planOutages } from "./support/OutagePlan.ts"
import { type Absence, endure, reconnected, resumeMillis, type Subject } from "./support/Outages.ts"
import { report, spread } from "./support/Report.ts"
import { attach, formatted, raw } from "./support/Volumes.ts"

/** `RDS_CSI_OUTAGES` makes it fewer, for a look. */
const outages = Number(process.env["RDS_CSI_OUTAGES"] ?? 30)

/** `RDS_CSI_OUTAGE_SEED` plays the outages of an earlier run again. */
const seed = process.env["RDS_CSI_OUTAGE_SEED"] ?? String(Date.now())

/** The time until the kernel tries again, and then what a try takes when frames are lost: two TCP SYNs, or one TCP resend. */
const limitMillis = ({ reconnectDelaySeconds }: Subject) => reconnectDelaySeconds * 1000 + 12_000

interface Felt {
  readonly absence: Absence
  /** How far the test's clock is ahead of each node's. */
  readonly offsets: ReadonlyArray<number>
}

describe.skipIf(prepared === undefined)("while pods write", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      `${outages} random outages in a row, of 1 to 60 s: no I/O error, no byte lost, no other mount or device`,
      Effect.fnUntraced(function*() {
        const { claim, nodeA, nodeB } = yield* Cluster
        const [fast, slow] = [2, 5]
        const delays = (seconds: number) => ({ reconnectDelay: String(seconds) })
        const filesystem = yield* claim(pvc(1), formatted("ext4"), [nodeA], delays(fast))
        const block = yield* claim(pvc(2), raw, [nodeB], delays(slow))
        const onA = yield* attach(nodeA, filesystem, "pod")
        const onB = yield* attach(nodeB, block, "pod")
        const paths = [{ vm: nodeA.vm, path: `${onA.path}/data` }, { vm: nodeB.vm, path: onB.path }]
        const subjects: ReadonlyArray<Subject> = [
          { vm: nodeA.vm, volumeId: filesystem.volumeId, reconnectDelaySeconds: fast },
          { vm: nodeB.vm, volumeId: block.volumeId, reconnectDelaySeconds: slow }
        ]
        const places = Effect.all([
          nodeA.vm.sh(`grep ' ${onA.path} ' /proc/1/mountinfo`),
          nodeB.vm.sh(`stat -c %t:%T ${onB.path}; grep -l ${block.volumeId} /sys/class/nvme-subsystem/*/subsysnqn`)
        ])
        const before = yield* places
        const writers = yield* Effect.forEach(paths, ({ path, vm }) => startWriter(vm, path, seed, 3600, 50))

        const plan = yield* planOutages(outages).pipe(Random.withSeed(seed))
        const begun = yield* Clock.currentTimeMillis
        const felt = yield* Effect.forEach(plan, (outage) =>
          Effect.gen(function*() {
            const absence = yield* endure(outage, subjects)
            yield* Effect.forEach(subjects, reconnected, { concurrency: 2 })
            yield* Effect.sleep("1 second")
            const offsets = yield* Effect.forEach(subjects, ({ vm }) => vm.clockOffset)
            return { absence, offsets } satisfies Felt
          }))
        const took = (yield* Clock.currentTimeMillis) - begun

        const written = yield* Effect.forEach(writers, ({ stop }) => stop)
        assert.deepStrictEqual(yield* places, before)
        const figures = subjects.map(({ reconnectDelaySeconds, vm, volumeId }, number) => ({
          node: vm.name,
          volumeId,
          reconnectDelaySeconds,
          resumeMillis: felt.map(({ absence, offsets }) =>
            resumeMillis(
              absence,
              (written[number]?.stalls ?? []).map(({ from, to }) => {
                const offset = offsets[number] ?? 0
                return { from: from + offset, to: to + offset }
              })
            )
          )
        }))
        const rows = plan.map(({ kind, seconds }, number) => ({
          kind,
          seconds,
          awayMillis: (felt[number]?.absence.back ?? 0) - (felt[number]?.absence.away ?? 0),
          resumeMillis: figures.map(({ resumeMillis }) => resumeMillis[number])
        }))
        const summary = figures.map(({ reconnectDelaySeconds, resumeMillis }) => {
          const { maximum, median } = spread(resumeMillis.map((millis) => millis ?? Infinity))
          return `${(median / 1000).toFixed(1)} s, at most ${
            (maximum / 1000).toFixed(1)
          } s with reconnect_delay ${reconnectDelaySeconds} s`
        })
        yield* report(
          "outages",
          { seed, tookMillis: took, reconnectDelaySeconds: [fast, slow], outages: rows },
          `seed ${seed}, ${outages} in ${Math.round(took / 1000)} s; I/O went on after a median of ${
            summary.join("; ")
          }`
        )

        for (const [number, subject] of subjects.entries()) {
          for (const row of rows) {
            const resumed = row.resumeMillis[number]
            assert.isDefined(resumed, `an outage that ${subject.vm.name} did not feel: ${JSON.stringify(row)}`)
            assert.isAtMost(resumed ?? Infinity, limitMillis(subject), `${subject.vm.name}: ${JSON.stringify(row)}`)
          }
        }
        for (const [number, { path, vm }] of paths.entries()) {
          const blocks = written[number]?.blocks ?? 0
          assert.isAbove(blocks, 10 * outages)
          assert.strictEqual(yield* wrongBlocks(vm, path, seed, blocks), 0)
          assert.strictEqual(yield* vm.sh(`dmesg | grep -ci "i/o error" || true`), "0")
        }
        yield* onA.unpublish("pod")
        yield* onA.unstage
        yield* onB.unpublish("pod")
        yield* onB.unstage
      }),
      1_200_000
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
