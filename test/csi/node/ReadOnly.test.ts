import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { encode } from "../../../src/volume/PublishContext.ts"
import * as Kit from "./NodeKit.ts"

/** What ControllerPublishVolume answers when it is asked for reading only. */
const publishContext = { ...encode({ address: Kit.address, port: 4420, nqn: "", readonly: true }) }
const capability = Kit.blockCapability()

const isRefused = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.match(self, { onSuccess: () => false, onFailure: () => true })

/** A block volume with content. */
const withContent = Effect.fnUntraced(function*() {
  const { machine, volume, driver } = yield* Kit.setUp()
  yield* machine.exports.put(volume.nqn, { content: "precious" })
  return { machine, volume, driver }
})

describe("a volume that is granted to the node for reading only", () => {
  it.effect("as a file system: staging path and target are read-only, whatever the pod asks for", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* Kit.setUp()
      yield* driver.stage(volume)
      yield* driver.unstage(volume)
      yield* driver.stage(volume, { publishContext })
      yield* driver.publish(volume, { publishContext })
      for (const path of [volume.stagingPath, volume.targetPath]) {
        assert.isTrue(yield* isRefused(machine.host.writeFile(path, "data", "x")), path)
      }
    }))

  it.effect("is not formatted when it is blank", () =>
    Effect.gen(function*() {
      const { volume, driver } = yield* Kit.setUp()
      assert.strictEqual(yield* Kit.codeOf(driver.stage(volume, { publishContext })), "FAILED_PRECONDITION")
      yield* driver.stage(volume)
    }))

  it.effect("as a block volume: the kernel refuses to write, and accepts it again when it is granted for writing", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* withContent()
      yield* driver.stage(volume, { capability, publishContext })
      yield* driver.publish(volume, { capability, publishContext })
      assert.isTrue(yield* isRefused(machine.host.writeBlock(volume.targetPath, "x")))
      assert.strictEqual(yield* machine.host.readBlock(volume.targetPath), "precious")
      yield* driver.unpublish(volume)
      yield* driver.unstage(volume)
      yield* driver.stage(volume, { capability })
      yield* driver.publish(volume, { capability })
      yield* machine.host.writeBlock(volume.targetPath, "x")
    }))

  it.effect("a connection that a crash left write-protected is made writable for the next grant", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* withContent()
      yield* driver.stage(volume, { capability, publishContext })
      yield* machine.records.remove(volume.id)
      yield* driver.stage(volume, { capability })
      yield* driver.publish(volume, { capability })
      yield* machine.host.writeBlock(volume.targetPath, "x")
    }))

  it.effect("a device that came back is protected again before it is published", () =>
    Effect.gen(function*() {
      const { machine, volume, driver } = yield* withContent()
      yield* driver.stage(volume, { capability, publishContext })
      yield* driver.publish(volume, { capability, publishContext })
      const [connection] = yield* machine.initiator.connections
      yield* machine.initiator.remove(volume.nqn)
      yield* machine.initiator.connect(connection ?? assert.fail("not connected"))
      yield* driver.publish(volume, { capability, publishContext })
      assert.isTrue(yield* isRefused(machine.host.writeBlock(volume.targetPath, "x")))
    }))

  it.effect("is not staged or published for writing before it is unstaged, nor the other way round", () =>
    Effect.gen(function*() {
      const cases = [[{ publishContext }, {}], [{}, { publishContext }]] as const
      for (const [first, second] of cases) {
        const { volume, driver } = yield* withContent()
        yield* driver.stage(volume, { capability, ...first })
        assert.strictEqual(yield* Kit.codeOf(driver.stage(volume, { capability, ...second })), "ALREADY_EXISTS")
        assert.strictEqual(yield* Kit.codeOf(driver.publish(volume, { capability, ...second })), "FAILED_PRECONDITION")
        yield* driver.publish(volume, { capability, ...first })
      }
    }))
})
