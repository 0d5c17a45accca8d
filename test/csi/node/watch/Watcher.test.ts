import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import * as Kit from "../NodeKit.ts"
import * as Watch from "./WatchKit.ts"

const block = { capability: Kit.blockCapability() }
const asReader = { volumeContext: Kit.contextOf({ ctrlLossTmo: "20", reconnectDelay: "2" }) }

/** How often everything was read since the operation of that number. */
const readings = ({ operations }: Watch.Process, from: number) =>
  operations.slice(from).filter((operation) => operation === "subsystems").length

describe("an outage that the kernel bridges", () => {
  it.effect("is told once, lasts in condition and metrics, and its end is told once", () =>
    Watch.isolated((logs) =>
      Effect.gen(function*() {
        const { driver, machine, process, volume } = yield* Watch.setUp()
        yield* Watch.notice
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_connections_active"), 1)
        yield* machine.exports.put(volume.nqn, { up: false })
        yield* Watch.elapse(60)
        assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure"])
        assert.include((yield* Watch.conditionOf(driver, volume)).message, "I/O waits")
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_connections", { state: "connecting" }), 1)
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_connections_active"), 0)
        yield* machine.exports.put(volume.nqn, { up: true })
        yield* Watch.elapse(60)
        assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure", "ConnectionRecovery"])
        assert.isFalse((yield* Watch.conditionOf(driver, volume)).abnormal)
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_outage_duration_seconds"), 1)
        const told = logs.filter(({ message }) => message.startsWith("the connection of a staged volume"))
        assert.deepStrictEqual(told.map(({ level }) => level), ["Warn", "Info"])
        assert.isTrue(told.every(({ annotations }) => annotations["volume_id"] === volume.id))
      })
    ))

  it.effect("does not touch the mount, whose answer would wait", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* machine.exports.put(volume.nqn, { up: false })
      const before = process.operations.length
      yield* Watch.elapse(600)
      assert.notIncludeMembers(process.operations.slice(before), ["stats"])
    }))
})

describe("the look that all volumes share", () => {
  it.effect("reads everything only now and then while a glance shows that all is as it was", () =>
    Effect.gen(function*() {
      const { process } = yield* Watch.setUp()
      yield* Watch.notice
      const before = process.operations.length
      yield* Watch.elapse(1200)
      assert.isAtMost(readings(process, before), 5)
      assert.isAtLeast(readings(process, before), 3)
    }))

  it.effect("reads everything each time while something is not well", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* machine.exports.put(volume.nqn, { up: false })
      yield* Watch.notice
      const before = process.operations.length
      yield* Watch.elapse(60)
      assert.isAtLeast(readings(process, before), 11)
    }))
})

describe("a controller that vanished", () => {
  it.effect("is told within ten seconds and connected again; unused staging is mounted afresh", () =>
    Watch.isolated(() =>
      Effect.gen(function*() {
        const { driver, machine, process, volume } = yield* Watch.setUp()
        yield* machine.host.writeFile(volume.stagingPath, "data", "precious")
        yield* Watch.vanish(machine, volume)
        yield* Watch.elapse(9)
        assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure"])
        assert.include(process.facts[0]?.message, "gone")
        yield* machine.exports.put(volume.nqn, { up: true })
        yield* Watch.elapse(90)
        assert.deepStrictEqual(Watch.reasons(process), [
          "ConnectionFailure",
          "ConnectionRecovery",
          "StaleMountDetected",
          "MountRecovery"
        ])
        assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
        assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("precious"))
        assert.isFalse((yield* Watch.conditionOf(driver, volume)).abnormal)
        assert.strictEqual(yield* Watch.metric("rds_csi_stale_mounts_detected_total"), 1)
        assert.strictEqual(yield* Watch.metric("rds_csi_stale_recoveries_total", { status: "success" }), 1)
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_reconnects_total", { status: "success" }), 1)
      })
    ))

  it.effect("attempts come at the class's pace, doubled up to a minute, and tell nothing more", () =>
    Watch.isolated(() =>
      Effect.gen(function*() {
        const { driver, machine, process, volume } = yield* Watch.setUp(asReader)
        yield* Watch.vanish(machine, volume)
        yield* Watch.elapse(300)
        const attempts = yield* Watch.metric("rds_csi_nvme_reconnects_total", { status: "failure" })
        assert.isAtLeast(attempts, 8)
        assert.isAtMost(attempts, 12)
        assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure"])
        const { message } = yield* Watch.conditionOf(driver, volume)
        assert.include(message, "no answer")
      })
    ))

  it.effect("a kernel that gave up (ctrl_loss_tmo) is told as a change of its own", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp(asReader)
      yield* machine.exports.put(volume.nqn, { up: false })
      yield* Watch.elapse(40)
      assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure", "ConnectionFailure"])
      assert.include(process.facts[0]?.message, "waits")
      assert.include(process.facts[1]?.message, "fails")
      yield* machine.exports.put(volume.nqn, { up: true })
      yield* Watch.elapse(70)
      const [connection] = yield* machine.initiator.connections
      assert.deepInclude(connection, { address: Kit.address, port: 4420 })
      assert.strictEqual(connection?.tuning.ctrlLossTmo, 20)
    }))

  it.effect("one that is left dead is connected again as well", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* machine.initiator.kill(volume.nqn)
      yield* Watch.elapse(20)
      assert.include(Watch.reasons(process), "ConnectionRecovery")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
    }))

  it.effect("of a record that does not say where to connect is told and left, until the volume is staged again", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      const { connection: _, ...old } = Option.getOrThrow(yield* machine.records.get(volume.id))
      yield* process.kill
      yield* machine.records.put(old)
      const next = yield* Watch.startWatching(machine)
      yield* machine.initiator.remove(volume.nqn)
      yield* Watch.elapse(120)
      assert.deepStrictEqual(Watch.reasons(next), ["ConnectionFailure"])
      assert.notInclude(next.operations, "connect")
      yield* next.driver.stage(volume)
      assert.isDefined(Option.getOrThrow(yield* machine.records.get(volume.id)).connection)
    }))

  it.effect("a volume that was staged before connections were recorded gets one when it is staged again", () =>
    Effect.gen(function*() {
      const { driver, machine, volume } = yield* Watch.setUp()
      const { connection, ...old } = Option.getOrThrow(yield* machine.records.get(volume.id))
      yield* machine.records.put(old)
      yield* driver.stage(volume)
      assert.deepStrictEqual(Option.getOrThrow(yield* machine.records.get(volume.id)).connection, connection)
    }))
})

describe("a device that came back under another name", () => {
  it.effect("staging in use is never unmounted: it is told, and mounted afresh once nothing uses it", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp()
      yield* driver.publish(volume)
      yield* Watch.vanish(machine, volume)
      yield* Watch.notice
      yield* machine.exports.put(volume.nqn, { up: true })
      yield* Watch.elapse(200)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
      assert.strictEqual(Watch.reasons(process).filter((reason) => reason === "StaleMountDetected").length, 1)
      assert.isTrue((yield* Watch.conditionOf(driver, volume, volume.targetPath)).abnormal)
      yield* driver.unpublish(volume)
      yield* Watch.elapse(70)
      assert.strictEqual(Watch.reasons(process).at(-1), "MountRecovery")
      assert.isFalse((yield* Watch.conditionOf(driver, volume)).abnormal)
    }))

  it.effect("a recorded publication keeps it, mounted or not", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp()
      yield* driver.publish(volume)
      yield* machine.host.unmount(volume.targetPath)
      yield* machine.initiator.remove(volume.nqn)
      yield* Watch.elapse(200)
      assert.notInclude(process.operations, "unmount")
      assert.strictEqual(Watch.reasons(process).at(-1), "StaleMountDetected")
    }))

  it.effect("trap: in-use check blind to other namespaces: a holder in the host's view, or an unreadable view, keeps it", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* machine.host.openFile(volume.stagingPath)
      const { device } = Option.getOrThrow(yield* machine.records.get(volume.id))
      yield* machine.host.openDevice(device, "qemu")
      yield* machine.initiator.remove(volume.nqn)
      yield* Watch.elapse(200)
      assert.notInclude(process.operations, "unmount")
      assert.strictEqual(Watch.reasons(process).at(-1), "StaleMountDetected")
    }))

  it.effect("an in-use check that fails repairs nothing and is told once", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const volume = yield* Kit.addVolume(machine)
      const process = yield* Watch.startWatching(machine, (operation) =>
        Effect.succeed(operation === "holders" ? "fail before" : "none"))
      yield* process.driver.stage(volume)
      yield* machine.initiator.remove(volume.nqn)
      yield* Watch.elapse(300)
      assert.notInclude(process.operations, "unmount")
      assert.deepStrictEqual(Watch.reasons(process).slice(-2), ["StaleMountDetected", "RecoveryFailed"])
    }))

  it.effect("a device with another file system is not mounted in place of the one that was staged", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      const content = Option.getOrThrow(machine.exports.peek(volume.nqn)).content
      yield* machine.initiator.remove(volume.nqn)
      yield* machine.exports.put(volume.nqn, { content: content.replace(/"uuid":"[^"]*"/, "\"uuid\":\"other\"") })
      yield* Watch.elapse(200)
      assert.notInclude(process.operations, "unmount")
      assert.deepStrictEqual(Watch.reasons(process).slice(-2), ["StaleMountDetected", "RecoveryFailed"])
    }))

  it.effect("a block volume: told while a published node names the lost device, over when it is published anew", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp(block)
      yield* driver.publish(volume, block)
      const other = yield* Kit.addVolume(machine, 2)
      yield* machine.initiator.remove(volume.nqn)
      yield* driver.stage(other, block)
      yield* Watch.elapse(90)
      assert.strictEqual(Watch.reasons(process).filter((reason) => reason === "StaleMountDetected").length, 1)
      yield* driver.unpublish(volume)
      yield* driver.publish(volume, block)
      yield* Watch.elapse(70)
      assert.strictEqual(Watch.reasons(process).at(-1), "MountRecovery")
      assert.isFalse((yield* Watch.conditionOf(driver, volume, volume.targetPath)).abnormal)
    }))
})

describe("what goes wrong with a connected volume", () => {
  it.effect("a file system that the kernel made read-only is told once, and one that was staged so is not", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* machine.host.remountReadOnly(volume.stagingPath)
      yield* Watch.elapse(200)
      assert.deepStrictEqual(Watch.reasons(process), ["MountFailure"])
      assert.include(process.facts[0]?.message, "read-only")
      const reader = yield* Kit.addVolume(machine, 2)
      yield* process.driver.stage(reader)
      yield* process.driver.unstage(reader)
      yield* process.driver.stage(reader, { capability: Kit.mountCapability({ mountFlags: ["ro"] }) })
      yield* Watch.elapse(60)
      assert.lengthOf(process.facts, 1)
    }))

  it.effect("I/O errors of a file system show within minutes, in the condition too, and so does their end", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp()
      yield* machine.exports.put(volume.nqn, { readable: false })
      yield* Watch.elapse(310)
      assert.deepStrictEqual(Watch.reasons(process), ["MountFailure"])
      yield* machine.exports.put(volume.nqn, { readable: true })
      const { abnormal, message } = yield* Watch.conditionOf(driver, volume)
      assert.isTrue(abnormal)
      assert.include(message, "cannot be used")
      yield* Watch.elapse(70)
      assert.deepStrictEqual(Watch.reasons(process), ["MountFailure", "MountRecovery"])
    }))

  it.effect("staging that somebody unmounted is told and left for the next publish", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp()
      yield* machine.host.unmount(volume.stagingPath)
      yield* Watch.elapse(100)
      assert.deepStrictEqual(Watch.reasons(process), ["MountFailure"])
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
      yield* driver.publish(volume)
      yield* Watch.notice
      assert.deepStrictEqual(Watch.reasons(process), ["MountFailure", "MountRecovery"])
    }))

  it.effect("trap: an error to look was taken for not connected: an unreadable kernel changes nothing and is logged once", () =>
    Watch.isolated((logs) =>
      Effect.gen(function*() {
        let blind = false
        const machine = yield* Kit.makeMachine()
        const volume = yield* Kit.addVolume(machine)
        const process = yield* Watch.startWatching(machine, () => Effect.succeed(blind ? "fail before" : "none"))
        yield* process.driver.stage(volume)
        blind = true
        yield* machine.exports.put(volume.nqn, { up: false })
        yield* Watch.elapse(60)
        assert.deepStrictEqual(Watch.reasons(process), [])
        blind = false
        yield* Watch.notice
        assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure"])
        const about = logs.filter(({ message }) => message.includes("watched"))
        assert.deepStrictEqual(about.map(({ level }) => level), ["Warn", "Info"])
      })
    ))
})

describe("staging and unstaging", () => {
  it.effect("a failed connect and a failed mount are told", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const volume = yield* Kit.addVolume(machine)
      const process = yield* Watch.startWatching(machine, Kit.failOnce("mount", "fail before"))
      yield* machine.exports.put(volume.nqn, { up: false })
      assert.strictEqual(yield* Kit.codeOf(process.driver.stage(volume)), "UNAVAILABLE")
      yield* machine.exports.put(volume.nqn, { up: true })
      assert.strictEqual(yield* Kit.codeOf(process.driver.stage(volume)), "UNAVAILABLE")
      assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure", "MountFailure"])
    }))

  it.effect("an unstaged volume is not looked at any more", () =>
    Watch.isolated(() =>
      Effect.gen(function*() {
        const { driver, process, volume } = yield* Watch.setUp()
        yield* Watch.notice
        yield* driver.unstage(volume)
        const before = process.operations.length
        yield* Watch.elapse(700)
        assert.lengthOf(process.operations, before)
        assert.deepStrictEqual(process.facts, [])
        assert.strictEqual(yield* Watch.metric("rds_csi_nvme_connections_active"), 0)
      })
    ))

  it.effect("an unstage that takes long is neither told as an outage nor undone by a reconnect", () =>
    Effect.gen(function*() {
      for (const isGone of [false, true]) {
        const machine = yield* Kit.makeMachine()
        const volume = yield* Kit.addVolume(machine)
        const process = yield* Watch.startWatching(
          machine,
          (operation) => operation === "remove" ? Effect.as(Effect.sleep("3 minutes"), "none") : Effect.succeed("none")
        )
        yield* process.driver.stage(volume)
        if (isGone) {
          yield* Watch.vanish(machine, volume)
          yield* Watch.elapse(30)
        }
        const unstage = yield* Effect.forkDetach(process.driver.unstage(volume), { startImmediately: true })
        yield* Kit.letRun
        yield* machine.exports.put(volume.nqn, { up: true })
        yield* Watch.elapse(170)
        assert.isUndefined(unstage.pollUnsafe())
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
        assert.deepStrictEqual(Watch.reasons(process), isGone ? ["ConnectionFailure"] : [])
        yield* Watch.elapse(100)
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
        assert.isDefined(unstage.pollUnsafe())
      }
    }))

  it.effect("a call that comes while the watcher looks waits for that, and is not told to come again", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const volume = yield* Kit.addVolume(machine)
      let slow = false
      const { driver } = yield* Watch.startWatching(
        machine,
        (operation) =>
          slow && operation === "controllers" ? Effect.as(Effect.sleep("1 second"), "none") : Effect.succeed("none")
      )
      yield* driver.stage(volume)
      slow = true
      yield* machine.exports.put(volume.nqn, { up: false })
      yield* Watch.elapse(5)
      const again = yield* Effect.forkDetach(driver.stage(volume), { startImmediately: true })
      yield* Kit.letRun
      assert.isUndefined(again.pollUnsafe())
      yield* Watch.elapse(1)
      yield* Fiber.join(again)
    }))

  it.effect("one that could not be unstaged is watched on", () =>
    Effect.gen(function*() {
      const { driver, machine, process, volume } = yield* Watch.setUp()
      yield* driver.publish(volume)
      assert.strictEqual(yield* Kit.codeOf(driver.unstage(volume)), "FAILED_PRECONDITION")
      yield* machine.exports.put(volume.nqn, { up: false })
      yield* Watch.notice
      assert.deepStrictEqual(Watch.reasons(process), ["ConnectionFailure"])
    }))

  it.effect("a hundred volumes cost one glance at the kernel for each poll", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const process = yield* Watch.startWatching(machine)
      for (let n = 0; n < 100; n++) yield* process.driver.stage(yield* Kit.addVolume(machine, n), block)
      yield* Watch.notice
      const before = process.operations.length
      yield* Watch.elapse(10 * Watch.pollSeconds)
      assert.isAtMost(process.operations.length - before - readings(process, before), 20)
    }))
})
