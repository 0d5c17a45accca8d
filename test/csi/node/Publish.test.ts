import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import * as Kit from "./NodeKit.ts"

const { Mode } = Kit
const block = { capability: Kit.blockCapability() }

/** A volume that is staged, as a file system or as a block volume. */
const staged = Effect.fnUntraced(function*(change: Parameters<Kit.Driver["stage"]>[1] = {}) {
  const kit = yield* Kit.setUp()
  yield* kit.driver.stage(kit.volume, change)
  return kit
})

const isPresent = ({ paths }: Kit.Machine, path: string) =>
  Effect.map(paths.kind(path), ({ _tag }) => _tag !== "Absent")

describe("NodePublishVolume of a file system", () => {
  it.effect("makes the target and shows the volume there", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      yield* machine.host.writeFile(volume.targetPath, "data", "hello")
      assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("hello"))
    }))

  it.effect("trap: publish repeated stacks bind mounts; one unpublish then leaves nothing and loses nothing", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      for (let i = 0; i < 10; i++) yield* driver.publish(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
      yield* machine.host.writeFile(volume.targetPath, "data", "precious")
      yield* driver.unpublish(volume)
      assert.isFalse(yield* isPresent(machine, volume.targetPath))
      assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("precious"))
    }))

  it.effect("required fields come before existence; without staging path it is FAILED_PRECONDITION", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* staged()
      const code = (change: Parameters<Kit.Driver["publish"]>[1]) => Kit.codeOf(driver.publish(volume, change))
      assert.strictEqual(yield* code({ volumeId: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "fake-vol-id", targetPath: "" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "fake-vol-id", capability: null }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ targetPath: "some/path" }), "INVALID_ARGUMENT")
      assert.strictEqual(yield* code({ volumeId: "pvc-nonsense" }), "NOT_FOUND")
      assert.strictEqual(yield* code({ stagingTargetPath: "" }), "FAILED_PRECONDITION")
    }))

  it.effect("a volume that is not staged is FAILED_PRECONDITION, connected or not", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "FAILED_PRECONDITION")
      yield* driver.stage(volume)
      yield* machine.host.unmount(volume.stagingPath)
      yield* machine.records.remove(volume.id)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "FAILED_PRECONDITION")
      assert.isFalse(yield* isPresent(machine, volume.targetPath))
    }))

  it.effect("a crash between binding and making it read-only is made good by the next call", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      const record = Option.getOrThrow(yield* machine.records.get(volume.id))
      const publications = [{ targetPath: volume.targetPath, readOnly: true }]
      yield* machine.records.put({ ...record, publications })
      yield* driver.publish(volume, { readonly: true })
      assert.strictEqual(
        (yield* Effect.exit(machine.host.writeFile(volume.targetPath, "data", "x")))._tag,
        "Failure"
      )
      assert.lengthOf((yield* Kit.mountedPaths(machine)).filter((path) => path === volume.targetPath), 1)
    }))

  it.effect("read-only is enforced at its target, and another target may be writable", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume, { readonly: true })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(machine.host.writeFile(volume.targetPath, "data", "x"))))
      yield* driver.publish(volume, { targetPath: "/pods/b/mount" })
      yield* machine.host.writeFile("/pods/b/mount", "data", "x")
    }))

  it.effect("same target with other arguments is ALREADY_EXISTS", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* staged()
      yield* driver.publish(volume)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, { readonly: true })), "ALREADY_EXISTS")
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "OK")
    }))

  it.effect.each(
    [
      ["SINGLE_NODE_WRITER", "FAILED_PRECONDITION"],
      ["SINGLE_NODE_READER_ONLY", "FAILED_PRECONDITION"],
      ["SINGLE_NODE_SINGLE_WRITER", "FAILED_PRECONDITION"],
      ["SINGLE_NODE_MULTI_WRITER", "OK"]
    ] as const
  )("a second target in mode %s is %s", ([mode, expected]) =>
    Effect.gen(function*() {
      for (const capability of [Kit.mountCapability({ mode: Mode[mode] }), Kit.blockCapability(Mode[mode])]) {
        const { machine, volume, driver } = yield* Kit.setUp()
        if (capability.accessType?.case === "mount") {
          yield* driver.stage(volume)
          yield* driver.unstage(volume)
        }
        yield* driver.stage(volume, { capability })
        yield* driver.publish(volume, { capability })
        const second = { capability, targetPath: "/pods/other/mount" }
        assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, second)), expected)
        assert.strictEqual(yield* isPresent(machine, "/pods/other/mount"), expected === "OK")
        yield* driver.unpublish(volume)
        assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, second)), "OK")
      }
    }))

  it.effect("a target that another volume is mounted at is left alone", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const other = yield* Kit.addVolume(machine, 2)
      yield* driver.stage(other)
      yield* driver.publish(other, { targetPath: volume.targetPath })
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "ALREADY_EXISTS")
      assert.lengthOf(yield* Kit.mountedPaths(machine), 3)
    }))

  it.effect.each(["bind", "put"])(
    "after a failed %s nothing is left at the target, and the next call succeeds",
    (operation) =>
      Effect.gen(function*() {
        const { machine, volume } = yield* staged()
        const driver = yield* Kit.startDriver(machine, Kit.failOnce(operation, "fail before"))
        assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "UNAVAILABLE")
        assert.isFalse(yield* isPresent(machine, volume.targetPath))
        yield* driver.publish(volume)
      })
  )

  it.effect("works without a stage record, and makes one up", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const before = Option.getOrThrow(yield* machine.records.get(volume.id))
      yield* machine.records.remove(volume.id)
      yield* driver.publish(volume)
      const after = Option.getOrThrow(yield* machine.records.get(volume.id))
      assert.deepStrictEqual(after, { ...before, publications: [{ targetPath: volume.targetPath, readOnly: false }] })
    }))

  it.effect("a lost device is mounted afresh at the staging path when nothing uses it", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* machine.host.writeFile(volume.stagingPath, "data", "precious")
      yield* machine.exports.put(volume.nqn, { identity: "identity-after-a-restart-of-the-target" })
      yield* driver.publish(volume)
      assert.deepStrictEqual(yield* machine.host.readFile(volume.targetPath, "data"), Option.some("precious"))
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
      const record = Option.getOrThrow(yield* machine.records.get(volume.id))
      assert.strictEqual(record.device.identity, "identity-after-a-restart-of-the-target")
      assert.lengthOf(record.publications, 1)
    }))

  it.effect("cancelled at any point, it has published and recorded the target, or neither", () =>
    Effect.gen(function*() {
      for (let steps = 1; steps < 40; steps++) {
        const { machine, volume, driver } = yield* staged()
        const call = yield* Effect.forkChild(driver.publish(volume), { startImmediately: true })
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(call)
        const { publications } = Option.getOrThrow(yield* machine.records.get(volume.id))
        const mounts = yield* Kit.mountedPaths(machine)
        assert.strictEqual(mounts.includes(volume.targetPath), publications.length === 1, `after ${steps} steps`)
        yield* driver.publish(volume)
      }
    }))

  it.effect("a staging mount that failed to come back is mounted afresh by the next call", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* staged()
      yield* machine.exports.put(volume.nqn, { identity: "identity-after-a-restart-of-the-target" })
      const driver = yield* Kit.startDriver(machine, Kit.failOnce("mount", "fail before"))
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "UNAVAILABLE")
      yield* driver.publish(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath, volume.targetPath])
    }))

  it.effect("two publishes at once: one wins, the other is told to come again", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const calls = [Kit.codeOf(driver.publish(volume)), Kit.codeOf(driver.publish(volume))]
      assert.sameMembers([...yield* Effect.all(calls, { concurrency: 2 })], ["OK", "ABORTED"])
      assert.lengthOf(yield* Kit.mountedPaths(machine), 2)
    }))
})

describe("NodePublishVolume of a block volume", () => {
  it.effect("makes a block special file of the volume's device", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged(block)
      for (let i = 0; i < 10; i++) yield* driver.publish(volume, block)
      yield* machine.host.writeBlock(volume.targetPath, "guest data")
      assert.deepStrictEqual(yield* machine.host.readBlock(volume.targetPath), "guest data")
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
      yield* driver.unpublish(volume)
      assert.isFalse(yield* isPresent(machine, volume.targetPath))
    }))

  it.effect("trap: a block target left from before a reboot keeps its major:minor, and names another volume's device", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged(block)
      const other = yield* Kit.addVolume(machine, 2)
      yield* driver.publish(volume, block)
      yield* machine.host.writeBlock(volume.targetPath, "mine")
      yield* machine.host.reboot
      yield* machine.initiator.reboot
      yield* driver.stage(other, block)
      yield* driver.publish(other, block)
      yield* machine.host.writeBlock(other.targetPath, "the other's")
      assert.strictEqual(yield* machine.host.readBlock(volume.targetPath), "the other's", "the trap is set")
      yield* driver.stage(volume, block)
      yield* driver.publish(volume, block)
      assert.strictEqual(yield* machine.host.readBlock(volume.targetPath), "mine")
    }))

  it.effect("a file system is never published as a raw device, nor the other way round", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, block)), "FAILED_PRECONDITION")
      yield* machine.host.unmount(volume.stagingPath)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, block)), "FAILED_PRECONDITION")
      yield* driver.unstage(volume)
      yield* machine.exports.put(volume.nqn, { content: "" })
      yield* driver.stage(volume, block)
      yield* driver.publish(volume, block)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume)), "FAILED_PRECONDITION")
    }))

  it.effect("read-only is part of the node, and a repeat without it is ALREADY_EXISTS", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged(block)
      yield* driver.publish(volume, { ...block, readonly: true })
      const kind = yield* machine.paths.kind(volume.targetPath)
      assert.isTrue(kind._tag === "BlockNode" && kind.node.readOnly)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, block)), "ALREADY_EXISTS")
    }))

  it.effect("something else at the target is not removed", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged(block)
      yield* machine.paths.makeDirectory(volume.targetPath)
      assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, block)), "FAILED_PRECONDITION")
      assert.isTrue(yield* isPresent(machine, volume.targetPath))
    }))
})

describe("NodeUnpublishVolume", () => {
  it.effect("required fields; nonsense and what is not there succeed", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* Kit.setUp()
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume, { volumeId: "" })), "INVALID_ARGUMENT")
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume, { targetPath: "" })), "INVALID_ARGUMENT")
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume, { volumeId: "pvc-nonsense" })), "OK")
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume, { targetPath: "some/path" })), "OK")
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume)), "OK")
    }))

  it.effect("trap: publish repeated stacks bind mounts: targets that the Go driver stacked are unmounted to the ground", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      yield* machine.host.bind(volume.stagingPath, volume.targetPath, false)
      yield* machine.host.bind(volume.stagingPath, volume.targetPath, false)
      yield* machine.host.writeFile(volume.targetPath, "data", "precious")
      yield* driver.unpublish(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [volume.stagingPath])
      assert.isFalse(yield* isPresent(machine, volume.targetPath))
      assert.deepStrictEqual(yield* machine.host.readFile(volume.stagingPath, "data"), Option.some("precious"))
    }))

  it.effect("trap: the target is removed recursively: a directory with files stays, and is an error", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* machine.paths.makeDirectory(volume.targetPath)
      yield* machine.paths.makeDirectory(`${volume.targetPath}/left-behind`)
      assert.strictEqual(yield* Kit.codeOf(driver.unpublish(volume)), "FAILED_PRECONDITION")
      assert.isTrue(yield* isPresent(machine, `${volume.targetPath}/left-behind`))
    }))

  it.effect("a target with open files is FAILED_PRECONDITION until they are closed", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      const code = yield* Effect.scoped(
        Effect.andThen(machine.host.openFile(volume.targetPath), Kit.codeOf(driver.unpublish(volume)))
      )
      assert.strictEqual(code, "FAILED_PRECONDITION")
      yield* driver.unpublish(volume)
      assert.isFalse(yield* isPresent(machine, volume.targetPath))
    }))

  it.effect("another volume at the target is left alone, mounted or as a block node", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      const other = yield* Kit.addVolume(machine, 2)
      const raw = yield* Kit.addVolume(machine, 3)
      yield* driver.stage(other)
      yield* driver.publish(other)
      yield* driver.stage(raw, block)
      yield* driver.publish(raw, block)
      yield* driver.unpublish(volume, { targetPath: other.targetPath })
      yield* driver.unpublish(volume, { targetPath: raw.targetPath })
      yield* machine.host.writeFile(other.targetPath, "data", "x")
      yield* machine.host.writeBlock(raw.targetPath, "x")
    }))

  it.effect("a target whose device was lost is cleaned up", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* staged()
      yield* driver.publish(volume)
      yield* machine.initiator.remove(volume.nqn)
      yield* driver.unpublish(volume)
      yield* driver.unstage(volume)
      assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
    }))

  it.effect("a cancelled unpublish is finished by the next one", () =>
    Effect.gen(function*() {
      for (let steps = 1; steps < 25; steps++) {
        const { machine, volume, driver } = yield* staged()
        yield* driver.publish(volume)
        const call = yield* Effect.forkChild(driver.unpublish(volume), { startImmediately: true })
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(call)
        yield* driver.unpublish(volume)
        assert.isFalse(yield* isPresent(machine, volume.targetPath))
        assert.deepStrictEqual(Option.getOrThrow(yield* machine.records.get(volume.id)).publications, [])
      }
    }))
})
