import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import * as Kit from "./NodeKit.ts"

const block = { capability: Kit.blockCapability() }

const staged = Effect.fnUntraced(function*(change: Parameters<Kit.Driver["stage"]>[1] = {}) {
  const kit = yield* Kit.setUp()
  yield* kit.driver.stage(kit.volume, change)
  return kit
})

/** Nothing of the volume is left on the machine. */
const assertGone = Effect.fnUntraced(function*(machine: Kit.Machine, volume: Kit.TestVolume) {
  assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
  assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
  assert.isTrue(Option.isNone(yield* machine.records.get(volume.id)))
})

describe("NodeUnstageVolume", () => {
  it.effect("required fields; nonsense and what is not staged succeed", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* Kit.setUp()
      assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume, { volumeId: "" })), "INVALID_ARGUMENT")
      assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume, { stagingTargetPath: "" })), "INVALID_ARGUMENT")
      for (const volumeId of ["pvc-nonsense", "fake-vol-id", "../../etc", volume.id]) {
        assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume, { volumeId })), "OK")
      }
    }))

  it.effect("unmounts, disconnects and forgets, and succeeds again", () =>
    Effect.gen(function*() {
      for (const change of [{}, block]) {
        const { machine, volume, driver } = yield* staged(change)
        for (let i = 0; i < 3; i++) yield* driver.unstage(volume)
        yield* assertGone(machine, volume)
        assert.deepStrictEqual(yield* machine.paths.kind(volume.stagingPath), { _tag: "Directory" })
      }
    }))

  it.effect("works from id and path alone, without a record and after a restart", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* staged()
      yield* machine.records.remove(volume.id)
      const restarted = yield* Kit.startDriver(machine)
      yield* restarted.unstage(volume)
      yield* assertGone(machine, volume)
    }))

  it.effect("trap: unstage guesses block because staging is not mounted any more, then unmounts pod mounts", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      yield* machine.host.unmount(volume.stagingPath)
      yield* machine.records.remove(volume.id)
      const status = yield* Kit.statusOf(driver.unstage(volume))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      assert.include(status.message, volume.targetPath)
      yield* machine.host.writeFile(volume.targetPath, "data", "still here")
    }))

  it.effect("still published: FAILED_PRECONDITION, and nothing is touched", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume)), "FAILED_PRECONDITION")
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
      yield* driver.unpublish(volume)
      yield* driver.unstage(volume)
      yield* assertGone(machine, volume)
    }))

  it.effect("trap: in-use check blind to other PID namespaces: a device held open anywhere on the host stays connected", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged(block)
      const device = Option.getOrThrow(yield* machine.records.get(volume.id)).device
      const status = yield* Effect.scoped(Effect.andThen(
        machine.host.openDevice(device, "qemu-system-x86 (4711)"),
        Kit.statusOf(driver.unstage(volume))
      ))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      assert.include(status.message, "qemu-system-x86 (4711)")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      yield* driver.unstage(volume)
      yield* assertGone(machine, volume)
    }))

  it.effect.each(["holders", "mountsOf", "mountsAt", "device", "controllers", "subsystems"])(
    "trap: errors of the in-use check count as free (%s): it fails closed",
    (operation) =>
      Effect.gen(function*() {
        const { machine, volume } = yield* staged()
        const driver = yield* Kit.startDriver(machine, Kit.failOnce(operation, "fail before"))
        assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume)), "UNAVAILABLE")
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
        yield* driver.unstage(volume)
        yield* assertGone(machine, volume)
      })
  )

  it.effect.each(["unmount", "disconnect", "remove"])(
    "trap: detach answered OK although the node was still connected: a failed %s is an error, and the retry finishes",
    (operation) =>
      Effect.gen(function*() {
        for (const fault of ["fail before", "fail after"] as const) {
          const { machine, volume } = yield* staged()
          const driver = yield* Kit.startDriver(machine, Kit.failOnce(operation, fault))
          assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume)), "UNAVAILABLE")
          yield* driver.unstage(volume)
          yield* assertGone(machine, volume)
        }
      })
  )

  it.effect("cancelled at any point, it is finished by the next call", () =>
    Effect.gen(function*() {
      for (let steps = 1; steps < 40; steps++) {
        const { machine, volume, driver } = yield* staged()
        const call = yield* Effect.forkChild(driver.unstage(volume), { startImmediately: true })
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(call)
        yield* driver.unstage(volume)
        yield* assertGone(machine, volume)
      }
    }))

  it.effect("another volume at the same staging path is left alone", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const other = yield* Kit.addVolume(machine, 2)
      yield* driver.unstage(other, { stagingTargetPath: volume.stagingPath })
      yield* machine.host.writeFile(volume.stagingPath, "data", "still here")
    }))

  it.effect("a staging path whose device was lost is unmounted once nothing uses it", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      yield* machine.initiator.remove(volume.nqn)
      assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume)), "FAILED_PRECONDITION")
      yield* driver.unpublish(volume)
      yield* driver.unstage(volume)
      yield* assertGone(machine, volume)
    }))

  it.effect("an unmount that hangs is forced for a lost device only: of a present one it could tear off what is not written", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* staged()
      const stuck = yield* Kit.startDriver(
        machine,
        (operation) => Effect.succeed(operation === "unmount" ? "fail before" : "none")
      )
      assert.strictEqual(yield* Kit.codeOf(stuck.unstage(volume)), "UNAVAILABLE")
      assert.include(yield* Kit.mountedPaths(machine), volume.stagingPath)
      yield* machine.initiator.remove(volume.nqn)
      yield* stuck.unstage(volume)
      yield* assertGone(machine, volume)
    }))

  it.effect("trap: clean-up without an NQN filter disconnects the node's own root disk", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const root = Option.getOrThrow(Nqn.parse("nqn.2014-08.com.example:root"))
      const rootOnAppliance = Option.getOrThrow(VolumeId.parse("node-root"))
      const tuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }
      for (const nqn of [root, Nqn.ofVolume(rootOnAppliance)]) {
        yield* machine.exports.put(nqn, { sizeBytes: Kit.GiB })
        yield* machine.initiator.connect({ nqn, address: Kit.address, port: 4420, hostNqn: "nqn:host", tuning })
      }
      const status = yield* Kit.statusOf(driver.unstage(volume, { volumeId: rootOnAppliance }))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      assert.include(status.message, "nvme disconnect -n")
      yield* driver.unstage(volume)
      assert.sameMembers([...yield* Kit.connectedTo(machine)], [root, Nqn.ofVolume(rootOnAppliance)])
    }))
})
