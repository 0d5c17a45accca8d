import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { DriverError } from "../../../src/csi/Status.ts"
import { decode } from "../../../src/mount/memory/FilesystemImage.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { isThorough } from "../../support/Thorough.ts"
import type { Fault, Faults } from "./FaultyPorts.ts"
import * as Kit from "./NodeKit.ts"

const Step = Schema.Struct({
  action: Schema.Literals([
    "stage",
    "stage",
    "publish",
    "publish second",
    "unpublish",
    "unpublish second",
    "unstage",
    "expand",
    "stats",
    "write",
    "write",
    "restart",
    "reboot",
    "outage",
    "target restart",
    "new size"
  ]),
  volume: Schema.Literals([0, 1, 2]),
  /** What disturbs the call at its operation number `at` (or after so many steps, for a cancellation). */
  disturbance: Schema.Literals([
    "none",
    "none",
    "fail before",
    "fail after",
    "crash before",
    "crash after",
    "cancel"
  ]),
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 24 }))
})
type Step = typeof Step.Type

/** A volume of the model: how it is used, and what a program last wrote through a published path. */
interface ModelVolume extends Kit.TestVolume {
  readonly capability: ReturnType<typeof Kit.mountCapability>
  readonly secondPath: string
  /** The others are blank, and staged for the first time by the steps. */
  readonly usedBefore: boolean
  sizeBytes: bigint
  /** The target made up new identities: mounts of the old device are lost, and that is not the driver's doing. */
  lostByTarget: boolean
  written: Option.Option<string>
  uuid: Option.Option<string>
}

const root = Option.getOrThrow(Nqn.parse("nqn.2014-08.com.example:node-root"))
const tuning = { ctrlLossTmo: -1, reconnectDelay: 1, keepAliveTmo: 0 }

const connectRoot = ({ exports, initiator }: Kit.Machine) =>
  Effect.andThen(
    exports.put(root, { sizeBytes: Kit.GiB }),
    initiator.connect({ nqn: root, address: "10.0.0.9", port: 4420, hostNqn: "nqn.2014-08.org.example:host", tuning })
  )

/** A running process of the driver, and what is to happen to its next operations. */
interface Process {
  readonly driver: Kit.Driver
  disturb(fault: Fault, at: number): void
  readonly crashed: () => boolean
}

const startProcess = Effect.fnUntraced(function*(machine: Kit.Machine) {
  let pending: { readonly fault: Fault; left: number } | undefined
  let crashed = false
  const faults: Faults = () =>
    Effect.sync(() => {
      if (pending === undefined || pending.left-- > 0) return "none"
      const { fault } = pending
      pending = undefined
      crashed = fault.startsWith("crash")
      return fault
    })
  const process: Process = {
    driver: yield* Kit.startDriver(machine, faults),
    disturb: (fault, at) => {
      pending = fault === "none" ? undefined : { fault, left: at }
    },
    crashed: () => crashed
  }
  return process
})

/** Runs the call until it ends, time passing while it waits. A crashed process leaves it unfinished. */
const finish = Effect.fnUntraced(function*(fiber: Fiber.Fiber<unknown, unknown>, crashed: () => boolean) {
  const isOver = () => fiber.pollUnsafe() !== undefined || crashed()
  for (let second = 0; second < 200; second++) {
    for (let step = 0; step < 100 && !isOver(); step++) yield* Effect.yieldNow
    if (isOver()) return
    yield* TestClock.adjust("1 second")
  }
  return assert.fail("a call did not end")
})

const model = Effect.fnUntraced(function*(steps: ReadonlyArray<Step>) {
  const machine = yield* Kit.makeMachine()
  const volumes = yield* Effect.forEach([0, 1, 2], (n) => addVolume(machine, n))
  yield* connectRoot(machine)
  let process = yield* startProcess(machine)
  for (const volume of volumes.filter(({ usedBefore }) => usedBefore)) {
    yield* process.driver.stage(volume, { capability: volume.capability })
    yield* process.driver.publish(volume, { capability: volume.capability })
    yield* write(machine, volume, "first text")
  }

  const call = Effect.fnUntraced(function*(step: Step, volume: ModelVolume) {
    const cancelled = step.disturbance === "cancel"
    process.disturb(step.disturbance === "cancel" ? "none" : step.disturbance, step.at)
    const rpc = rpcOf(process.driver, step.action, volume)
    const fiber = yield* Effect.forkDetach(rpc, { startImmediately: true })
    if (cancelled) {
      yield* Effect.repeat(Effect.yieldNow, { times: step.at })
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
    }
    yield* finish(fiber, process.crashed)
    if (process.crashed()) process = yield* startProcess(machine)
    process.disturb("none", 0)
  })

  for (const [number, step] of steps.entries()) {
    const volume = volumes[step.volume]
    if (volume === undefined) continue
    switch (step.action) {
      case "restart":
        process = yield* startProcess(machine)
        break
      case "reboot":
        yield* machine.host.reboot
        yield* machine.initiator.reboot
        yield* connectRoot(machine)
        process = yield* startProcess(machine)
        break
      case "outage":
        yield* machine.exports.put(volume.nqn, { up: step.at % 2 === 0 })
        break
      case "target restart":
        yield* machine.exports.put(volume.nqn, { identity: `identity ${number}` })
        volume.lostByTarget = true
        break
      case "new size":
        volume.sizeBytes += Kit.GiB
        yield* machine.exports.put(volume.nqn, { sizeBytes: volume.sizeBytes })
        break
      case "write":
        yield* write(machine, volume, `text ${number}`)
        break
      default:
        yield* call(step, volume)
    }
    yield* checkInvariants(machine, volumes)
  }

  yield* Effect.forEach(volumes, ({ nqn }) => machine.exports.put(nqn, { up: true }))
  yield* TestClock.adjust("10 seconds")
  process = yield* startProcess(machine)
  yield* tearDown(machine, process.driver, volumes)
  yield* Effect.forEach(volumes, (volume) => readBack(machine, process.driver, volume))
})

const addVolume = Effect.fnUntraced(function*(machine: Kit.Machine, n: number) {
  const volume: ModelVolume = {
    ...yield* Kit.addVolume(machine, n),
    capability: n === 2 ? Kit.blockCapability() : Kit.mountCapability({ fsType: n === 0 ? "ext4" : "xfs" }),
    secondPath: `/pods/${n}/second`,
    usedBefore: n !== 1,
    sizeBytes: Kit.GiB,
    lostByTarget: false,
    written: Option.none(),
    uuid: Option.none()
  }
  return volume
})

const rpcOf = (
  driver: Kit.Driver,
  action: Step["action"],
  volume: ModelVolume
): Effect.Effect<unknown, DriverError> => {
  const { capability, secondPath } = volume
  switch (action) {
    case "stage":
      return driver.stage(volume, { capability, volumeContext: Kit.contextOf({ reconnectDelay: "1" }) })
    case "publish":
      return driver.publish(volume, { capability })
    case "publish second":
      return driver.publish(volume, { capability, targetPath: secondPath })
    case "unpublish":
      return driver.unpublish(volume)
    case "unpublish second":
      return driver.unpublish(volume, { targetPath: secondPath })
    case "unstage":
      return driver.unstage(volume)
    case "expand":
      return driver.expand(volume, volume.sizeBytes)
    case "stats":
      return driver.stats(volume)
    default:
      return Effect.void
  }
}

const isBlock = ({ capability }: ModelVolume) => capability.accessType?.case === "block"

/** A pod writes, if the volume is published and its connection is up. */
const write = Effect.fnUntraced(function*(machine: Kit.Machine, volume: ModelVolume, text: string) {
  const { host, exports, initiator } = machine
  if (!Option.exists(exports.peek(volume.nqn), ({ up }) => up)) return
  const live = (yield* initiator.connections).some(({ nqn, state }) => nqn === volume.nqn && state === "live")
  if (!live) return
  for (const path of [volume.targetPath, volume.secondPath]) {
    if (isBlock(volume)) {
      const kind = yield* machine.paths.kind(path)
      const block = kind._tag === "BlockNode" ? yield* initiator.block(kind.node) : Option.none()
      // A node left from before a reboot may name another volume's device: no pod uses it before it is published again.
      if (!Option.exists(block, ({ nqn }) => nqn === volume.nqn)) continue
      yield* host.writeBlock(path, text)
    } else {
      const done = yield* Effect.result(host.writeFile(path, "data", text))
      if (done._tag === "Failure") continue
    }
    volume.written = Option.some(text)
  }
})

const checkInvariants = Effect.fnUntraced(function*(
  machine: Kit.Machine,
  volumes: ReadonlyArray<ModelVolume>
) {
  const table = yield* machine.host.table
  const paths = table.map(({ path }) => path)
  assert.lengthOf(paths, new Set(paths).size, `stacked mounts: ${paths.join(" ")}`)
  assert.include(yield* Kit.connectedTo(machine), root, "a foreign subsystem was disconnected")
  for (const { path, device } of table) {
    const block = Option.getOrThrow(yield* machine.initiator.block(device))
    const excused = volumes.some(({ nqn, lostByTarget }) => nqn === block.nqn && lostByTarget)
    assert.isTrue(!block.gone || excused, `the device was taken from under the mount at ${path}`)
  }
  for (const volume of volumes) {
    const content = Option.match(machine.exports.peek(volume.nqn), { onNone: () => "", onSome: (disk) => disk.content })
    if (isBlock(volume)) {
      assert.strictEqual(content, Option.getOrElse(volume.written, () => ""), "a block volume's content changed")
      continue
    }
    const image = decode(content)
    const uuid = Option.map(image, (found) => found.uuid)
    if (Option.isSome(volume.uuid)) assert.deepStrictEqual(uuid, volume.uuid, "a volume was formatted again")
    volume.uuid = uuid
    const text = Option.flatMap(image, ({ files }) => Option.fromUndefinedOr(files["data"]))
    assert.deepStrictEqual(text, volume.written, "a file system's content changed")
  }
})

/** What kubelet does in the end, until it succeeds: nothing of any volume is left on the machine. */
const tearDown = Effect.fnUntraced(function*(
  machine: Kit.Machine,
  driver: Kit.Driver,
  volumes: ReadonlyArray<ModelVolume>
) {
  for (const volume of volumes) {
    yield* driver.unpublish(volume)
    yield* driver.unpublish(volume, { targetPath: volume.secondPath })
    yield* driver.unstage(volume)
    for (const path of [volume.targetPath, volume.secondPath]) {
      assert.deepStrictEqual(yield* machine.paths.kind(path), { _tag: "Absent" })
    }
  }
  assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
  assert.deepStrictEqual(yield* Kit.connectedTo(machine), [root])
  assert.deepStrictEqual(yield* machine.records.list, [])
  yield* checkInvariants(machine, volumes)
})

/** A pod that comes afterwards finds what was written. */
const readBack = Effect.fnUntraced(function*(machine: Kit.Machine, driver: Kit.Driver, volume: ModelVolume) {
  const { capability, targetPath, written } = volume
  yield* driver.stage(volume, { capability })
  yield* driver.publish(volume, { capability })
  const found = isBlock(volume)
    ? Option.liftPredicate((text: string) => text !== "")(yield* machine.host.readBlock(targetPath))
    : yield* machine.host.readFile(targetPath, "data")
  assert.deepStrictEqual(found, written)
})

it.effect.prop(
  "whatever fails, is cancelled, crashes or reboots: no content is lost or formatted over, no mount is stacked, no foreign " +
    "subsystem is touched, and tearing down leaves nothing",
  [Schema.Array(Step).check(Schema.isMinLength(20), Schema.isMaxLength(40))],
  ([steps]) => model(steps),
  { arbitrary: { runs: isThorough ? 300 : 80 } }
)
