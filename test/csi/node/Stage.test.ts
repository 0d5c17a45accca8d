import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import { decode } from "../../../src/mount/memory/FilesystemImage.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import * as Kit from "./NodeKit.ts"

const { GiB, Mode } = Kit

/** What is on the volume's disk. */
const contentOf = ({ exports }: Kit.Machine, { nqn }: Kit.TestVolume) =>
  Option.match(exports.peek(nqn), { onNone: () => "", onSome: ({ content }) => content })

const uuidOf = (machine: Kit.Machine, volume: Kit.TestVolume) =>
  Option.getOrThrow(decode(contentOf(machine, volume))).uuid

const tuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }

describe("NodeStageVolume", () => {
  it.effect("formats a blank volume, mounts it nosuid,nodev and records it", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
      const record = Option.getOrThrow(yield* machine.records.get(volume.id))
      assert.deepStrictEqual(record.mode, {
        _tag: "Filesystem",
        fsType: "ext4",
        uuid: uuidOf(machine, volume),
        flags: ["nosuid", "nodev"]
      })
      assert.strictEqual(record.stagingPath, volume.stagingPath)
      const [connection] = yield* machine.initiator.connections
      assert.strictEqual(connection?.hostNqn, Nqn.host(Kit.nodeId))
      assert.deepStrictEqual(connection?.tuning, tuning)
    }))

  it.effect("a block volume is connected, and nothing is put at the staging path", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume, { capability: Kit.blockCapability(Mode.MULTI_NODE_MULTI_WRITER) })
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      assert.strictEqual(contentOf(machine, volume), "")
    }))

  it.effect.each([1, 10])(
    "is the same when called %i times: one mount, one connection, one format",
    (times) =>
      Effect.gen(function*() {
        const { machine, volume, driver } = yield* Kit.setUp()
        yield* driver.stage(volume)
        yield* machine.host.writeFile(volume.stagingPath, "data", "precious")
        for (let i = 0; i < times; i++) yield* driver.stage(volume)
        assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
        assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("precious"))
      })
  )

  it.effect("required fields come before existence, and existence before the context", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* Kit.setUp()
      const cases: ReadonlyArray<readonly [Parameters<Kit.Driver["stage"]>[1], string]> = [
        [{ volumeId: "" }, "volume_id is required"],
        [{ volumeId: "fake-vol-id", stagingTargetPath: "" }, "staging_target_path is required"],
        [{ volumeId: "fake-vol-id", capability: null }, "volume_capability is required"],
        [{ stagingTargetPath: "some/path" }, "absolute"],
        [{ volumeContext: {} }, "nvmeAddress"],
        [{ volumeContext: Kit.contextOf({ nvmePort: "0" }) }, "1 to 65535"],
        [{ volumeContext: Kit.contextOf({ nqn: "nqn.2000-02.com.mikrotik:pvc-other" }) }, volume.nqn],
        [{ capability: Kit.mountCapability({ mode: Mode.MULTI_NODE_MULTI_WRITER }) }, "Block"],
        [{ capability: Kit.mountCapability({ mountFlags: ["suid"] }) }, "suid"]
      ]
      for (const [change, text] of cases) {
        const status = yield* Kit.statusOf(driver.stage(volume, change))
        assert.strictEqual(status.code, "INVALID_ARGUMENT", text)
        assert.include(status.message, text)
      }
      const unknown = yield* Kit.codeOf(driver.stage(volume, { volumeId: "pvc-not-an-id", volumeContext: {} }))
      assert.strictEqual(unknown, "NOT_FOUND")
    }))

  it.effect("takes contexts of the Go driver: rdsAddress only, no tuning, added keys", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      const volumeContext = {
        rdsAddress: "10.0.0.1",
        nvmePort: "4421",
        nqn: volume.nqn,
        volumePath: "/storage-pool/x.img",
        "storage.kubernetes.io/csiProvisionerIdentity": "1-rds.csi.srvlab.io"
      }
      yield* driver.stage(volume, { volumeContext })
      const [connection] = yield* machine.initiator.connections
      assert.deepInclude(connection, { address: "10.0.0.1", port: 4421, tuning })
    }))

  it.effect("a different capability than it is staged with is ALREADY_EXISTS and changes nothing", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      for (
        const capability of [
          Kit.blockCapability(),
          Kit.mountCapability({ fsType: "xfs" }),
          Kit.mountCapability({ mode: Mode.SINGLE_NODE_READER_ONLY })
        ]
      ) {
        assert.strictEqual(yield* Kit.codeOf(driver.stage(volume, { capability })), "ALREADY_EXISTS")
      }
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
    }))

  it.effect("a block volume wanted as a file system while staged is ALREADY_EXISTS and not formatted", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume, { capability: Kit.blockCapability() })
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "ALREADY_EXISTS")
      assert.strictEqual(contentOf(machine, volume), "")
    }))

  it.effect("an existing file system is used as it is, and grown to its device", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* machine.host.writeFile(volume.stagingPath, "data", "precious")
      yield* driver.unstage(volume)
      yield* machine.exports.put(volume.nqn, { sizeBytes: 3n * GiB })
      yield* driver.stage(volume)
      assert.strictEqual((yield* machine.host.filesystemAt(volume.stagingPath)).sizeBytes, 3n * GiB)
      assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("precious"))
    }))

  it.effect("another file system than asked for is refused by name", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume, { capability: Kit.mountCapability({ fsType: "xfs" }) })
      const before = contentOf(machine, volume)
      yield* driver.unstage(volume)
      const status = yield* Kit.statusOf(driver.stage(volume))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      assert.match(status.message, /xfs.*ext4/)
      assert.strictEqual(contentOf(machine, volume), before)
    }))

  it.effect("a volume for reading only is neither formatted nor grown, and mounted ro", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      const capability = Kit.mountCapability({ mode: Mode.SINGLE_NODE_READER_ONLY })
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume, { capability })), "FAILED_PRECONDITION")
      assert.strictEqual(contentOf(machine, volume), "")
      yield* driver.stage(volume)
      yield* driver.unstage(volume)
      yield* machine.exports.put(volume.nqn, { sizeBytes: 2n * GiB })
      const before = contentOf(machine, volume)
      yield* driver.stage(volume, { capability })
      assert.strictEqual(contentOf(machine, volume), before)
      const write = yield* Effect.exit(machine.host.writeFile(volume.stagingPath, "data", "x"))
      assert.isTrue(Exit.isFailure(write))
    }))
})

describe("NodeStageVolume traps", () => {
  it.effect.each(["GPT partition table", "LVM2_member", "crypto_LUKS", "\u0001\u0002garbage"])(
    "trap: a partition table, LVM or LUKS without TYPE counts as empty (%s)",
    (content) =>
      Effect.gen(function*() {
        const { machine, volume, driver } = yield* Kit.setUp()
        yield* machine.exports.put(volume.nqn, { content })
        assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "FAILED_PRECONDITION")
        assert.strictEqual(contentOf(machine, volume), content)
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
      })
  )

  it.effect("trap: blkid exit 2 also means cannot read: mkfs on an unreadable disk", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* driver.unstage(volume)
      const before = contentOf(machine, volume)
      yield* machine.exports.put(volume.nqn, { readable: false })
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
      assert.strictEqual(contentOf(machine, volume), before)
    }))

  it.effect("trap: two stages of one volume at once both see empty and both run mkfs", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      const codes = yield* Effect.all(Array.from({ length: 10 }, () => Kit.codeOf(driver.stage(volume))), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(codes.toSorted(), [...Array.from({ length: 9 }, () => "ABORTED" as const), "OK"])
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
    }))

  it.effect("trap: second stage of a mounted volume fails and its error path disconnects it under running pods", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* driver.publish(volume)
      for (const operation of ["probe", "check", "mount", "connect", "grow"]) {
        const restarted = yield* Kit.startDriver(machine, Kit.failOnce(operation, "fail before"))
        yield* Effect.exit(restarted.stage(volume))
      }
      yield* machine.host.writeFile(volume.targetPath, "data", "still here")
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
    }))

  it.effect.each(["connect", "probe", "format", "put", "mount", "grow"])(
    "a failed %s undoes what the call did, and the next call succeeds",
    (operation) =>
      Effect.gen(function*() {
        for (const fault of ["fail before", "fail after"] as const) {
          const { driver: before, machine, volume } = yield* Kit.setUp()
          // Only a file system from before is grown.
          if (operation === "grow") yield* Effect.andThen(before.stage(volume), before.unstage(volume))
          const driver = yield* Kit.startDriver(machine, Kit.failOnce(operation, fault))
          assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
          assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
          if (operation !== "connect") assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
          assert.isTrue(Option.isNone(yield* machine.records.get(volume.id)))
          yield* driver.stage(volume)
          yield* machine.host.writeFile(volume.stagingPath, "data", "x")
        }
      })
  )

  it.effect("a file system that was just made fills its device, and no program is run to grow it", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* Kit.setUp()
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("grow", "fail before"))
      yield* driver.stage(volume)
    }))

  it.effect("a failed stage never disconnects a connection that it did not make", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* Kit.setUp()
      yield* machine.initiator.connect({
        nqn: volume.nqn,
        address: Kit.address,
        port: 4420,
        hostNqn: "nqn.2014-08.org.nvmexpress:uuid:made-by-nvme-cli",
        tuning
      })
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("probe", "fail before"))
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      yield* driver.stage(volume)
      assert.lengthOf(yield* machine.initiator.connections, 1)
    }))

  it.effect("trap: a cancelled RPC was taken for shutdown and forced a disconnect", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp({ deviceDelayMillis: 20_000 })
      const call = yield* Effect.forkChild(driver.stage(volume))
      yield* Kit.elapse(10)
      yield* Fiber.interrupt(call)
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      yield* Kit.elapse(10)
      yield* driver.stage(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
    }))

  it.effect("mkfs is not cut off by a cancellation, which would leave half a file system", () =>
    Effect.gen(function*() {
      for (let steps = 1; steps < 60; steps++) {
        const { machine, volume, driver } = yield* Kit.setUp()
        const call = yield* Effect.forkChild(driver.stage(volume), { startImmediately: true })
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(call)
        const content = contentOf(machine, volume)
        assert.isTrue(content === "" || Option.isSome(decode(content)), `after ${steps} steps: ${content}`)
        yield* driver.stage(volume)
      }
    }))

  it.effect("a failed stage leaves a connection that somebody began to use", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* Kit.setUp()
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("mount", "fail before"))
      yield* machine.host.openDevice({ major: 259, minor: 0 }, "multipathd (12)")
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
    }))

  it.effect("a device that becomes another one after it was found blank is not formatted", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* Kit.setUp()
      let probed = false
      const driver = yield* Kit.startDriver(machine, (operation) => {
        const change = probed && operation === "device"
        probed ||= operation === "probe"
        const identity = "identity-after-a-restart-of-the-target"
        return Effect.as(change ? machine.exports.put(volume.nqn, { identity }) : Effect.void, "none")
      })
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
      assert.strictEqual(contentOf(machine, volume), "")
    }))

  it.effect("a name that another volume's device takes over just before the mount is unmounted again", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      const other = yield* Kit.addVolume(machine, 2)
      yield* driver.stage(other)
      yield* driver.unstage(other)
      const swap = Effect.andThen(
        machine.initiator.remove(volume.nqn),
        machine.initiator.connect({ nqn: other.nqn, address: Kit.address, port: 4420, hostNqn: "nqn:other", tuning })
      )
      const swapping = yield* Kit.startDriver(
        machine,
        (operation) => Effect.as(operation === "mount" ? swap : Effect.void, "none")
      )
      assert.strictEqual(yield* Kit.codeOf(swapping.stage(volume)), "UNAVAILABLE")
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
    }))

  it.effect("a file system that is mounted elsewhere is not checked, which would find errors that are none", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* machine.paths.makeDirectory("/staging/new-form")
      const checking = yield* Kit.startDriver(
        machine,
        (operation) => Effect.succeed(operation === "check" ? "fail before" : "none")
      )
      yield* checking.stage(volume, { stagingTargetPath: "/staging/new-form" })
    }))

  it.effect("the record is there before the mount, so that a crash in between can be cleaned up from it", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* Kit.setUp()
      const driver = yield* Kit.startDriver(
        machine,
        (operation) => Effect.succeed(operation === "mount" ? "crash before" : "none")
      )
      yield* Effect.forkDetach(driver.stage(volume), { startImmediately: true })
      yield* Kit.letRun
      assert.isTrue(Option.isSome(yield* machine.records.get(volume.id)))
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
    }))

  it.effect("a volume that had a file system on this node and is blank now is not formatted", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* machine.host.reboot
      yield* machine.initiator.reboot
      yield* machine.exports.put(volume.nqn, { content: "" })
      const status = yield* Kit.statusOf(driver.stage(volume))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      assert.include(status.message, "is blank now")
      assert.strictEqual(contentOf(machine, volume), "")
    }))

  it.effect("a connection to the same NQN at another address is left alone", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume, { capability: Kit.blockCapability() })
      const status = yield* Kit.statusOf(driver.stage(volume, {
        capability: Kit.blockCapability(),
        volumeContext: Kit.contextOf({ nvmeAddress: "10.42.68.2" })
      }))
      assert.strictEqual(status.code, "FAILED_PRECONDITION")
      const [connection] = yield* machine.initiator.connections
      assert.strictEqual(connection?.address, Kit.address)
    }))

  it.effect("an appliance that does not answer is UNAVAILABLE, and nothing is left", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* machine.exports.put(volume.nqn, { up: false })
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume)), "UNAVAILABLE")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
    }))

  it.effect("a subsystem that looks connected but has no device is repaired (half-dead)", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume, { capability: Kit.blockCapability() })
      yield* machine.initiator.kill(volume.nqn)
      yield* driver.stage(volume, { capability: Kit.blockCapability() })
      assert.deepStrictEqual((yield* machine.initiator.connections).map(({ state }) => state), ["live"])
    }))

  it.effect("a device that never shows up ends in UNAVAILABLE within the limit", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* machine.exports.put(volume.nqn, { hasNamespace: false })
      const call = yield* Effect.forkChild(Kit.statusOf(driver.stage(volume)))
      yield* Kit.elapse(32)
      const status = yield* Fiber.join(call)
      assert.strictEqual(status.code, "UNAVAILABLE")
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
    }))

  it.effect("a stale mount at the staging path is replaced when nothing uses it, and reported when something does", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* driver.publish(volume)
      yield* machine.host.writeFile(volume.targetPath, "data", "precious")
      yield* machine.initiator.remove(volume.nqn)
      const inUse = yield* Kit.statusOf(driver.stage(volume))
      assert.strictEqual(inUse.code, "FAILED_PRECONDITION")
      assert.include(inUse.message, volume.targetPath)
      yield* driver.unpublish(volume)
      yield* driver.stage(volume)
      yield* driver.publish(volume)
      assert.deepStrictEqual(yield* machine.host.readFile(volume.targetPath, "data"), Option.some("precious"))
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
    }))
})
