import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { VolumeUsage_Unit as Unit } from "../../../src/csi/gen/csi_pb.ts"
import * as Kit from "./NodeKit.ts"

const { GiB } = Kit
const block = { capability: Kit.blockCapability() }

const published = Effect.fnUntraced(function*(change: Parameters<Kit.Driver["stage"]>[1] = {}) {
  const kit = yield* Kit.setUp()
  yield* kit.driver.stage(kit.volume, change)
  yield* kit.driver.publish(kit.volume, change)
  return kit
})

describe("NodeGetVolumeStats", () => {
  it.effect("required fields, then existence, also for relative paths", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* published()
      const code = (change: Parameters<Kit.Driver["stats"]>[1]) => Kit.codeOf(driver.stats(volume, change))
      assert.strictEqual(yield* code({ volumeId: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumePath: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "fake-vol-id", volumePath: "some/path" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumePath: "some/path" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumePath: "/not/there" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumeId: "pvc-nonsense" }), "NOT_FOUND")
    }))

  it.effect("bytes and inodes of a file system, at its target and at its staging path", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* machine.host.writeFile(volume.targetPath, "data", "12345")
      for (const volumePath of [volume.targetPath, volume.stagingPath]) {
        const { usage, volumeCondition } = yield* driver.stats(volume, { volumePath })
        assert.deepStrictEqual(usage, [
          { unit: Unit.BYTES, total: GiB, used: 5n, available: GiB - 5n },
          { unit: Unit.INODES, total: 65536n, used: 1n, available: 65535n }
        ])
        assert.isFalse(volumeCondition.abnormal)
      }
    }))

  it.effect("the size of a block volume", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* published(block)
      const { usage, volumeCondition } = yield* driver.stats(volume)
      assert.deepStrictEqual(usage, [{ unit: Unit.BYTES, total: GiB }])
      assert.isFalse(volumeCondition.abnormal)
    }))

  it.effect("another volume's path is NOT_FOUND", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      const other = yield* Kit.addVolume(machine, 2)
      yield* driver.stage(other)
      const status = yield* Kit.codeOf(driver.stats(other, { volumePath: volume.targetPath }))
      assert.strictEqual(status, "NOT_FOUND")
    }))

  it.effect("trap: stats on a dead mount block the process: an outage is reported at once, without touching the mount", () =>
    Effect.gen(function*() {
      for (const change of [{}, block]) {
        const { machine, volume, driver } = yield* published(change)
        yield* machine.exports.put(volume.nqn, { up: false })
        const during = yield* driver.stats(volume)
        assert.deepStrictEqual(during.usage, [{ unit: Unit.BYTES, total: GiB }])
        assert.isTrue(during.volumeCondition.abnormal)
        assert.include(during.volumeCondition.message, "connecting")
        yield* machine.exports.put(volume.nqn, { up: true })
        yield* Kit.elapse(6)
        assert.isFalse((yield* driver.stats(volume)).volumeCondition.abnormal)
      }
    }))

  it.effect("a device that came back under another name is abnormal, for file systems and block volumes", () =>
    Effect.gen(function*() {
      for (const change of [{}, block]) {
        const { machine, volume, driver } = yield* published(change)
        const other = yield* Kit.addVolume(machine, 2)
        yield* machine.initiator.remove(volume.nqn)
        yield* driver.stage(other, block)
        yield* Effect.exit(driver.stage(volume, change))
        const { usage, volumeCondition } = yield* driver.stats(volume)
        assert.deepStrictEqual(usage, [{ unit: Unit.BYTES, total: GiB }])
        assert.isTrue(volumeCondition.abnormal)
        assert.include(volumeCondition.message, "lost")
      }
    }))

  it.effect("a file system that the kernel made read-only is abnormal; one that was asked for is not", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* driver.publish(volume, { targetPath: "/pods/reader/mount", readonly: true })
      assert.isFalse((yield* driver.stats(volume, { volumePath: "/pods/reader/mount" })).volumeCondition.abnormal)
      yield* machine.host.remountReadOnly(volume.targetPath)
      const { volumeCondition } = yield* driver.stats(volume)
      assert.isTrue(volumeCondition.abnormal)
      assert.include(volumeCondition.message, "read-only")
    }))

  it.effect("a failing statfs is a condition, and the size is answered all the same", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* published()
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("stats", "fail before"))
      const { usage, volumeCondition } = yield* driver.stats(volume)
      assert.deepStrictEqual(usage, [{ unit: Unit.BYTES, total: GiB }])
      assert.isTrue(volumeCondition.abnormal)
    }))
})
