import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { Duration } from "effect"
import { TestClock } from "effect/testing"
import { MemoryExports } from "../../../src/nvme/memory/MemoryExports.ts"
import { MemoryInitiator } from "../../../src/nvme/memory/MemoryInitiator.ts"
import * as MemoryNvmeFabric from "../../../src/nvme/memory/MemoryNvmeFabric.ts"
import { type FabricTarget, NvmeFabric } from "../../../src/nvme/NvmeFabric.ts"
import { waitForDevice } from "../../../src/nvme/WaitForDevice.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"

const GiB = 1n << 30n

/** A node of its own for each test, and volumes that no other test has. */
const node = Layer.fresh(
  MemoryNvmeFabric.layer.pipe(
    Layer.provideMerge(MemoryInitiator.layer({ deviceDelayMillis: 100 })),
    Layer.provideMerge(MemoryExports.layer)
  )
)

const targetOf = (name: string, tuning: Partial<FabricTarget["tuning"]> = {}): FabricTarget => ({
  nqn: Nqn.ofVolume(VolumeId.fromName(name)),
  address: "10.42.68.1",
  port: 4420,
  hostNqn: Nqn.host("worker-1"),
  hostId: Nqn.hostId("worker-1"),
  tuning: { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0, ...tuning }
})

const limits = { minimumBytes: 1n, limit: Duration.seconds(30) }

/** Exports the volume, connects it, and waits for its device. */
const connected = Effect.fnUntraced(function*(target: FabricTarget) {
  const exports = yield* MemoryExports
  const fabric = yield* NvmeFabric
  yield* exports.put(target.nqn, { sizeBytes: GiB })
  yield* fabric.connect(target)
  yield* TestClock.adjust("100 millis")
  return yield* waitForDevice(target.nqn, limits)
})

const stateOf = Effect.fnUntraced(function*({ nqn }: FabricTarget) {
  const fabric = yield* NvmeFabric
  return (yield* fabric.controllers(nqn)).map(({ state }) => state)
})

describe("NvmeFabric on the memory initiator", () => {
  layer(node)((it) => {
    it.effect("a device shows up after the connect, and can be waited for", () =>
      Effect.gen(function*() {
        const target = targetOf("a")
        const exports = yield* MemoryExports
        const fabric = yield* NvmeFabric
        yield* exports.put(target.nqn, { sizeBytes: GiB })
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
        assert.isTrue(Option.isNone(yield* fabric.device(target.nqn)))
        yield* TestClock.adjust("100 millis")
        const device = yield* waitForDevice(target.nqn, limits)
        assert.deepInclude(device, { path: "/dev/nvme0n1", major: 259, minor: 0, sizeBytes: GiB })
      }))
  })

  layer(node)((it) => {
    it.effect("an outage: live, connecting, and live again at the kernel's next attempt, as the same device", () =>
      Effect.gen(function*() {
        const target = targetOf("a")
        const exports = yield* MemoryExports
        const fabric = yield* NvmeFabric
        const before = yield* connected(target)
        yield* exports.put(target.nqn, { up: false })
        assert.deepStrictEqual(yield* stateOf(target), ["connecting"])
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* stateOf(target), ["connecting"], "ctrl_loss_tmo -1 waits for ever")
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: true })
        yield* exports.put(target.nqn, { up: true })
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* stateOf(target), ["live"])
        assert.deepStrictEqual(yield* fabric.device(target.nqn), Option.some(before))
      }))
  })

  layer(node)((it) => {
    it.effect("a controller is given up after ctrl_loss_tmo, and its name goes to the next volume", () =>
      Effect.gen(function*() {
        const [a, b] = [targetOf("a", { ctrlLossTmo: 60 }), targetOf("b")]
        const exports = yield* MemoryExports
        const fabric = yield* NvmeFabric
        const before = yield* connected(a)
        yield* exports.put(a.nqn, { up: false })
        assert.deepStrictEqual(yield* stateOf(a), ["connecting"])
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(yield* stateOf(a), [])
        const taken = yield* connected(b)
        assert.strictEqual(taken.path, before.path)
        assert.strictEqual(taken.minor, before.minor)
        yield* exports.put(a.nqn, { up: true })
        const after = yield* connected(a)
        assert.strictEqual(after.path, "/dev/nvme1n1")
        assert.strictEqual((yield* fabric.subsystems).length, 2)
      }))
  })

  layer(node)((it) => {
    it.effect("a device that is held open keeps its number; a namespace with a new identity is another device", () =>
      Effect.gen(function*() {
        const target = targetOf("a")
        const exports = yield* MemoryExports
        const initiator = yield* MemoryInitiator
        const before = yield* connected(target)
        const block = Option.getOrThrow(yield* initiator.block(before))
        block.holders += 1
        yield* exports.put(target.nqn, { identity: "another" })
        const after = yield* waitForDevice(target.nqn, limits)
        assert.deepInclude(after, { path: "/dev/nvme0n2", minor: 1, identity: "another" })
        assert.strictEqual((yield* Effect.flip(initiator.read(block)))._tag, "InputOutputError")
      }))
  })

  layer(node)((it) => {
    it.effect("I/O waits through an outage and then succeeds, as the kernel queues it", () =>
      Effect.gen(function*() {
        const target = targetOf("a")
        const exports = yield* MemoryExports
        const initiator = yield* MemoryInitiator
        const block = Option.getOrThrow(yield* initiator.block(yield* connected(target)))
        yield* exports.put(target.nqn, { up: false })
        const write = yield* Effect.forkChild(initiator.write(block, "text"), { startImmediately: true })
        yield* TestClock.adjust("20 seconds")
        assert.isUndefined(write.pollUnsafe())
        yield* exports.put(target.nqn, { up: true })
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* initiator.read(block), "text")
      }))
  })

  layer(node)((it) => {
    it.effect("foreign subsystems are neither listed nor disconnected", () =>
      Effect.gen(function*() {
        const fabric = yield* NvmeFabric
        const initiator = yield* MemoryInitiator
        const exports = yield* MemoryExports
        const root = Option.getOrThrow(Nqn.parse("nqn.2014-08.com.example:root"))
        yield* exports.put(root, { sizeBytes: GiB })
        yield* initiator.connect({ ...targetOf("x"), nqn: root })
        assert.deepStrictEqual(yield* fabric.subsystems, [])
        assert.strictEqual((yield* Effect.flip(fabric.disconnect(root)))._tag, "SubsystemNotOurs")
        assert.lengthOf(yield* initiator.connections, 1)
      }))
  })

  layer(node)((it) => {
    it.effect("a rescan shows a new size, nothing else does", () =>
      Effect.gen(function*() {
        const target = targetOf("a")
        const fabric = yield* NvmeFabric
        const exports = yield* MemoryExports
        yield* connected(target)
        yield* exports.put(target.nqn, { sizeBytes: 2n * GiB })
        assert.strictEqual(Option.getOrThrow(yield* fabric.device(target.nqn)).sizeBytes, GiB)
        yield* fabric.rescan(target.nqn)
        assert.strictEqual(Option.getOrThrow(yield* fabric.device(target.nqn)).sizeBytes, 2n * GiB)
      }))
  })
})

describe("MemoryExports of an appliance elsewhere", () => {
  const known = Option.getOrThrow(Nqn.parse("nqn.2000-02.com.mikrotik:known"))
  const appliance = { isUp: true, sizeBytes: 3n * GiB, content: "" }
  const remote = MemoryExports.layerOf({
    find: (nqn) =>
      Effect.sync(() =>
        appliance.isUp && nqn === known ? Option.some({ ...appliance, directory: Option.some("/kept") }) : Option.none()
      ),
    write: (_, content) => Effect.sync(() => void (appliance.content = content))
  })
  layer(remote)((it) => {
    it.effect("has what the appliance exports, writes to it, and goes on with what it last saw while that is away", () =>
      Effect.gen(function*() {
        const exports = yield* MemoryExports
        const unknown = Option.getOrThrow(Nqn.parse("nqn.2000-02.com.mikrotik:unknown"))
        assert.isTrue(Option.isNone(yield* exports.find(unknown)))
        assert.deepInclude(Option.getOrThrow(yield* exports.find(known)), {
          sizeBytes: 3n * GiB,
          content: "",
          directory: Option.some("/kept")
        })
        yield* exports.put(known, { content: "text" })
        assert.strictEqual(appliance.content, "text")
        appliance.sizeBytes = 4n * GiB
        appliance.content = "from another host"
        const found = Option.getOrThrow(yield* exports.find(known))
        assert.deepInclude(found, { sizeBytes: 4n * GiB, content: "from another host" })
        appliance.isUp = false
        assert.isTrue(Option.isNone(yield* exports.find(known)))
        assert.deepStrictEqual(exports.peek(known), Option.some(found))
      }))
  })
})
