import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { insist } from "../support/Insist.ts"
import { type CreateFields, fromSnapshot, fromVolume, GiB, pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import type { Claim } from "./support/NodePlugin.ts"
import { attach, formatted, isClean, raw } from "./support/Volumes.ts"

/** How volumes are used and cut. */
interface Way {
  readonly name: string
  readonly capability: Claim["volumeCapability"]
  /** Whether nobody may use the volume while it is cut. */
  readonly isCopied: boolean
  readonly first: number
}

const copied: ReadonlyArray<Way> = [{ name: "ext4", capability: formatted("ext4"), isCopied: true, first: 0 }]
const cutAtOnce: ReadonlyArray<Way> = [
  { name: "xfs", capability: formatted("xfs"), isCopied: false, first: 10 },
  { name: "block", capability: raw, isCopied: false, first: 20 }
]

/** Uses the volume on node A: writes blocks to it, says which of them are there, and lets it go again. */
const use = Effect.fnUntraced(function*(claim: Claim) {
  const { controller, nodeA } = yield* Cluster
  const pod = `pod-${claim.volumeId}`
  const { path, unpublish, unstage } = yield* attach(nodeA, claim, pod)
  const file = claim.volumeCapability.accessType.case === "block" ? path : `${path}/data`
  return {
    path,
    write: (seed: string) =>
      Effect.flatMap(startWriter(nodeA.vm, file, seed, 1), ({ written }) => written).pipe(
        Effect.tap(() => nodeA.vm.sh("sync"))
      ),
    wrong: (seed: string, blocks: number) => wrongBlocks(nodeA.vm, file, seed, blocks),
    letGo: Effect.gen(function*() {
      yield* unpublish(pod)
      yield* unstage
      yield* isClean(nodeA, claim)
      yield* insist(controller.unpublish(claim.volumeId, nodeA.vm.name))
    })
  }
})

/** What a file system, or the device, can hold. */
const sizeAt = Effect.fnUntraced(function*({ volumeCapability }: Claim, path: string) {
  const { nodeA: { vm } } = yield* Cluster
  const isBlock = volumeCapability.accessType.case === "block"
  return Number(yield* vm.sh(isBlock ? `blockdev --getsize64 ${path}` : `df -B1 --output=size ${path} | tail -n 1`))
})

/** A volume on node A that is made of something. */
const claimOf = Effect.fnUntraced(function*({ capability }: Way, name: string, fields: CreateFields) {
  const { claim, nodeA } = yield* Cluster
  return yield* claim(name, capability, [nodeA], {}, fields)
})

const title = "$name: written, cut, written over, restored to a larger volume and cloned, all in use at once"

const goesRight = Effect.fnUntraced(function*(way: Way) {
  const { controller } = yield* Cluster
  const names = [0, 1, 2].map((n) => pvc(way.first + n))
  const volume = yield* claimOf(way, pvc(way.first), {})
  const before = yield* use(volume)
  const cut = yield* before.write("first")
  if (way.isCopied) yield* before.letGo
  const snapshot = yield* insist(controller.snapshot(volume.volumeId, `snapshot-${way.first}`)).pipe(
    Effect.repeat({ until: ({ readyToUse }) => readyToUse, schedule: Schedule.spaced("200 millis") })
  )
  const after = way.isCopied ? yield* use(yield* claimOf(way, pvc(way.first), {})) : before
  const later = yield* after.write("second")
  if (way.isCopied) yield* after.letGo

  const larger = { ...fromSnapshot(snapshot.snapshotId), capacityRange: { requiredBytes: 2n * GiB } }
  const restored = yield* claimOf(way, pvc(way.first + 1), larger)
  const clone = yield* claimOf(way, pvc(way.first + 2), fromVolume(volume.volumeId))
  const source = way.isCopied ? yield* use(yield* claimOf(way, pvc(way.first), {})) : after
  const [fromCut, fromSource] = [yield* use(restored), yield* use(clone)]
  assert.strictEqual(yield* fromCut.wrong("first", cut.blocks), 0)
  assert.strictEqual(yield* fromSource.wrong("second", later.blocks), 0)
  assert.isAbove(yield* sizeAt(restored, fromCut.path), 1.8 * Number(GiB))

  const own = yield* fromSource.write("third")
  assert.strictEqual(yield* source.wrong("second", later.blocks), 0)
  assert.strictEqual(yield* fromSource.wrong("third", own.blocks), 0)
  for (const { letGo } of [source, fromCut, fromSource]) yield* letGo
  yield* insist(controller.removeSnapshot(snapshot.snapshotId))
  for (const name of names) yield* insist(controller.remove(name))
})

describe.skipIf(prepared === undefined)("snapshots on a real kernel", () => {
  describe("by copy", () => {
    layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
      it.effect.each(copied)(title, goesRight)
    })
  })
  describe("on a pool with Btrfs", () => {
    layer(Cluster.oneNodeOnBtrfs, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
      it.effect.each(cutAtOnce)(title, goesRight)
    })
  })
})
