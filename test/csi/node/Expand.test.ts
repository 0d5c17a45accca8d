import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Kit from "./NodeKit.ts"

const { GiB } = Kit
const block = { capability: Kit.blockCapability() }

const published = Effect.fnUntraced(function*(change: Parameters<Kit.Driver["stage"]>[1] = {}) {
  const kit = yield* Kit.setUp()
  yield* kit.driver.stage(kit.volume, change)
  yield* kit.driver.publish(kit.volume, change)
  return kit
})

describe("NodeExpandVolume", () => {
  it.effect("required fields, then existence, also for relative paths", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* published()
      const code = (change: Parameters<Kit.Driver["expand"]>[2]) => Kit.codeOf(driver.expand(volume, GiB, change))
      assert.strictEqual(yield* code({ volumeId: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "fake-vol-id", volumePath: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "fake-vol-id", volumePath: "some/path" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumeId: "pvc-nonsense" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumePath: "some/path" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ volumePath: "/not/there" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ limitBytes: 1n }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code(block), "INVALID_ARGUMENT")
    }))

  it.effect("grows a file system at its target and at its staging path, and repeats", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* machine.host.writeFile(volume.targetPath, "data", "precious")
      let size = GiB
      for (const volumePath of [volume.targetPath, volume.stagingPath]) {
        size += GiB
        yield* machine.exports.put(volume.nqn, { sizeBytes: size })
        for (let i = 0; i < 3; i++) {
          assert.strictEqual((yield* driver.expand(volume, size, { volumePath })).capacityBytes, size)
        }
        assert.strictEqual((yield* machine.host.filesystemAt(volume.targetPath)).sizeBytes, size)
      }
      assert.strictEqual((yield* machine.host.filesystemAt(volume.targetPath)).files["data"], "precious")
    }))

  it.effect("makes the new size of a block volume visible, at its target and at its staging path", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published(block)
      yield* machine.exports.put(volume.nqn, { sizeBytes: 2n * GiB })
      assert.strictEqual((yield* driver.expand(volume, 2n * GiB, block)).capacityBytes, 2n * GiB)
      const staging = { volumePath: volume.stagingPath }
      assert.strictEqual((yield* driver.expand(volume, 2n * GiB, staging)).capacityBytes, 2n * GiB)
      assert.strictEqual((yield* driver.stats(volume)).usage[0]?.total, 2n * GiB)
    }))

  it.effect("remembers the new size, for the time when the device is lost", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* machine.exports.put(volume.nqn, { sizeBytes: 2n * GiB })
      yield* driver.expand(volume, 2n * GiB)
      yield* machine.initiator.remove(volume.nqn)
      assert.strictEqual((yield* driver.stats(volume)).usage[0]?.total, 2n * GiB)
    }))

  it.effect("a volume that is large enough is left as it is", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* machine.exports.put(volume.nqn, { sizeBytes: 5n * GiB })
      assert.strictEqual((yield* driver.expand(volume, 2n * GiB)).capacityBytes, 5n * GiB)
      assert.strictEqual((yield* driver.expand(volume, GiB)).capacityBytes, 5n * GiB)
    }))

  it.effect("trap: grown file, old size at the initiator: it says so instead of growing nothing", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* published()
      const call = yield* Effect.forkChild(Kit.statusOf(driver.expand(volume, 2n * GiB)))
      yield* Kit.elapse(32)
      const status = yield* Fiber.join(call)
      assert.strictEqual(status.code, "UNAVAILABLE")
      assert.match(status.message, /1 GiB instead of at least 2 GiB/)
    }))

  it.effect("a read-only file system is FAILED_PRECONDITION, so that kubelet does not hammer", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* published()
      yield* machine.host.remountReadOnly(volume.targetPath)
      assert.strictEqual(yield* Kit.codeOf(driver.expand(volume, GiB)), "FAILED_PRECONDITION")
    }))

  it.effect("a failed grow is an error, and the next call grows", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* published()
      yield* machine.exports.put(volume.nqn, { sizeBytes: 2n * GiB })
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("grow", "fail before"))
      assert.strictEqual(yield* Kit.codeOf(driver.expand(volume, 2n * GiB)), "UNAVAILABLE")
      yield* driver.expand(volume, 2n * GiB)
      assert.strictEqual((yield* machine.host.filesystemAt(volume.targetPath)).sizeBytes, 2n * GiB)
    }))
})
