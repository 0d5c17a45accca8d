import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { VolumeUsage_Unit as Unit } from "../../../src/csi/gen/csi_pb.ts"
import { insist } from "../../support/Insist.ts"
import { GiB } from "../../support/Requests.ts"
import { Cluster } from "./Cluster.ts"
import { startWriter, wrongBlocks } from "./Initiator.ts"
import type { NodePlugin } from "./NodePlugin.ts"
import { attach, formatted, isClean, mountsAt, raw } from "./Volumes.ts"

/** Checkable data for a second. */
export const writeSome = (plugin: NodePlugin, path: string, seed: string) =>
  Effect.flatMap(startWriter(plugin.vm, path, seed, 1), ({ written }) => written)

/**
 * Of a volume with a file system on node A, from its creation to its end: data, repeated calls, growth online, usage, and the
 * data again after a second stage.
 */
export const fileSystemLife = Effect.fnUntraced(function*(fsType: "ext3" | "ext4" | "xfs", name: string) {
  const { claim, controller, nodeA } = yield* Cluster
  const { vm } = nodeA
  const volume = yield* claim(name, formatted(fsType), [nodeA])
  const { expand, path, publish, stage, staging, stats, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
  const { blocks } = yield* writeSome(nodeA, `${path}/data`, fsType)

  yield* stage
  yield* publish("pod")
  assert.strictEqual(yield* mountsAt(vm, path), 1)
  assert.strictEqual(yield* mountsAt(vm, staging), 1)
  assert.strictEqual(yield* vm.sh(`stat -f -c %T ${path}`), fsType === "xfs" ? "xfs" : "ext2/ext3")

  yield* controller.expand(volume.volumeId, 2n * GiB)
  yield* expand(2n * GiB, "pod")
  const usage = (yield* stats("pod")).usage.find(({ unit }) => unit === Unit.BYTES)
  assert.isAbove(Number(usage?.total), 1.8 * Number(GiB))
  assert.isAtLeast(Number(usage?.used), blocks * 4096)

  yield* unpublish("pod")
  assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "")
  yield* unstage
  yield* isClean(nodeA, volume)

  yield* stage
  yield* publish("pod")
  assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, fsType, blocks), 0)
  yield* unpublish("pod")
  yield* unstage
  yield* insist(controller.unpublish(volume.volumeId, vm.name))
  yield* insist(controller.remove(volume.volumeId))
})

/** A pod that may only read finds a volume that another writes to, and the machine's own programs cannot write to it there. */
export const readerBesideWriter = Effect.fnUntraced(function*(name: string) {
  const { claim, nodeA } = yield* Cluster
  const { vm } = nodeA
  const volume = yield* claim(name, formatted("ext4"), [nodeA])
  const { path, publish, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
  yield* vm.sh(`echo written >${path}/data`)
  const reader = yield* publish("reader", true)
  const found = yield* vm.sh(`cat ${reader}/data; touch ${reader}/no 2>/dev/null || echo refused`)
  yield* Effect.forEach(["pod", "reader"], unpublish)
  yield* unstage
  yield* isClean(nodeA, volume)
  assert.strictEqual(found, "written\nrefused")
})

/** Of a block volume on node A: data, growth online, and size. Its pod gets no mount, which would show it all of /dev. */
export const blockLife = Effect.fnUntraced(function*(name: string) {
  const { claim, controller, nodeA } = yield* Cluster
  const { vm } = nodeA
  const volume = yield* claim(name, raw, [nodeA])
  const { expand, path, publish, stats, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
  const { blocks } = yield* writeSome(nodeA, path, "block")
  yield* publish("pod")
  assert.strictEqual(yield* vm.sh(`stat -c %F ${path}`), "block special file")
  assert.strictEqual(yield* mountsAt(vm, path), 0)

  yield* controller.expand(volume.volumeId, 2n * GiB)
  yield* expand(2n * GiB, "pod")
  assert.strictEqual(yield* vm.sh(`blockdev --getsize64 ${path}`), `${2n * GiB}`)
  assert.strictEqual((yield* stats("pod")).usage[0]?.total, 2n * GiB)
  assert.strictEqual(yield* wrongBlocks(vm, path, "block", blocks), 0)

  yield* unpublish("pod")
  assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "")
  yield* unstage
  yield* isClean(nodeA, volume)
})
