import { assert, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { sameDevice } from "../../../../src/mount/Mounter.ts"
import { shuffled } from "../../../support/ShuffleScheduler.ts"
import { isThorough } from "../../../support/Thorough.ts"
import * as Kit from "../NodeKit.ts"
import * as Watch from "./WatchKit.ts"

const Step = Schema.Struct({
  action: Schema.Literals([
    "outage",
    "recovery",
    "recovery",
    "vanish",
    "rename",
    "read-only",
    "stage",
    "stage",
    "publish",
    "unpublish",
    "unstage",
    "unstage",
    "restart",
    "wait",
    "wait"
  ]),
  volume: Schema.Literals([0, 1, 2]),
  seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
})
type Step = typeof Step.Type

interface ModelVolume extends Kit.TestVolume {
  readonly change: Parameters<Kit.Driver["stage"]>[1]
  staged: boolean
  published: boolean
  /** A block volume that vanished while no process ran is, to the next one, as after a reboot: it waits for kubelet. */
  mayWait: boolean
}

const addVolume = Effect.fnUntraced(function*(machine: Kit.Machine, n: number) {
  const volume: ModelVolume = {
    ...yield* Kit.addVolume(machine, n),
    change: {
      capability: n === 2 ? Kit.blockCapability() : Kit.mountCapability(),
      volumeContext: Kit.contextOf({ ctrlLossTmo: n === 0 ? "-1" : "15", reconnectDelay: "2" })
    },
    staged: false,
    published: false,
    mayWait: false
  }
  return volume
})

/** What a program on the node does to one volume. */
const perform = Effect.fnUntraced(
  function*(machine: Kit.Machine, { driver }: Watch.Process, step: Step, volume: ModelVolume) {
    const { exports, host, initiator } = machine
    switch (step.action) {
      case "outage":
        return yield* exports.put(volume.nqn, { up: false })
      case "recovery":
        return yield* exports.put(volume.nqn, { up: true })
      case "vanish":
        return yield* initiator.remove(volume.nqn)
      case "rename":
        return yield* exports.put(volume.nqn, { identity: `identity ${step.seconds}` })
      case "read-only":
        return yield* Effect.ignore(host.remountReadOnly(volume.stagingPath))
      case "stage":
        if (Option.exists(exports.peek(volume.nqn), ({ up }) => up)) {
          volume.staged ||= (yield* Kit.codeOf(driver.stage(volume, volume.change))) === "OK"
        }
        return
      case "publish":
        if (volume.staged) volume.published ||= (yield* Kit.codeOf(driver.publish(volume, volume.change))) === "OK"
        return
      case "unpublish":
        if ((yield* Kit.codeOf(driver.unpublish(volume))) === "OK") volume.published = false
        return
      case "unstage":
        if ((yield* Kit.codeOf(driver.unstage(volume))) === "OK") volume.staged = false
        return
      case "restart":
      case "wait":
        return
    }
  }
)

const model = Effect.fnUntraced(function*(steps: ReadonlyArray<Step>) {
  const machine = yield* Kit.makeMachine()
  const volumes = yield* Effect.forEach([0, 1, 2], (n) => addVolume(machine, n))
  let process = yield* Watch.startWatching(machine)
  for (const volume of volumes) {
    volume.staged = (yield* Kit.codeOf(process.driver.stage(volume, volume.change))) === "OK"
  }
  for (const step of steps) {
    const volume = volumes[step.volume]
    if (volume === undefined) continue
    const usedMounts = yield* mountsInUse(machine, volumes)
    if (step.action === "restart") {
      yield* process.kill
      checkFacts(process, volumes)
      const { length } = process.operations
      yield* Watch.elapse(step.seconds)
      assert.lengthOf(process.operations, length, "a fiber outlived its process")
      const block = volumes.filter(({ change }) => change?.capability?.accessType?.case === "block")
      const connected = yield* Kit.connectedTo(machine)
      for (const other of block) other.mayWait ||= !connected.includes(other.nqn)
      process = yield* Watch.startWatching(machine)
    } else {
      yield* perform(machine, process, step, volume)
    }
    yield* Watch.elapse(step.seconds)
    const after = (yield* machine.host.table).map(({ device, path }) => `${path} ${device.minor}`)
    if (step.action !== "unpublish") assert.includeMembers(after, usedMounts, "a mount in use was taken away")
    const connected = yield* Kit.connectedTo(machine)
    for (const other of volumes.filter(({ staged }) => !staged)) {
      const recorded = Option.isSome(yield* machine.records.get(other.id))
      if (!recorded) assert.notInclude(connected, other.nqn, "an unstaged volume was connected again")
    }
    checkFacts(process, volumes)
  }
  yield* settle(machine, process, volumes)
})

/** Mounts of published volumes, each with the number of its device. */
const mountsInUse = Effect.fnUntraced(function*({ host }: Kit.Machine, volumes: ReadonlyArray<ModelVolume>) {
  const published = volumes.filter((volume) => volume.published)
  const paths = published.flatMap(({ stagingPath, targetPath }) => [stagingPath, targetPath])
  return (yield* host.table).filter(({ path }) => paths.includes(path)).map(({ device, path }) =>
    `${path} ${device.minor}`
  )
})

/** Facts of one kind alternate: each is another than the one before, so each change was told once. */
const checkFacts = ({ facts }: Watch.Process, volumes: ReadonlyArray<ModelVolume>) => {
  for (const { id } of volumes) {
    const own = facts.filter(({ volumeId }) => volumeId === id)
    for (const family of [/^Connection/, /^(Mount|StaleMount)/]) {
      const told = own.filter(({ reason }) => family.test(reason)).map(({ message }) => message)
      told.forEach((message, at) => assert.notStrictEqual(message, told[at - 1], "a change was told twice"))
    }
  }
}

/** Everything is up again and nothing in use: every volume is well or unstaged, and then nothing runs any more. */
const settle = Effect.fnUntraced(function*(
  machine: Kit.Machine,
  process: Watch.Process,
  volumes: ReadonlyArray<ModelVolume>
) {
  yield* Effect.forEach(volumes, ({ nqn }) => machine.exports.put(nqn, { up: true }))
  yield* Effect.forEach(volumes, (volume) => process.driver.unpublish(volume))
  yield* Watch.elapse(200)
  for (const volume of volumes.filter(({ staged }) => staged)) {
    const [connection] = (yield* machine.initiator.connections).filter(({ nqn }) => nqn === volume.nqn)
    if (connection === undefined && volume.mayWait) continue
    assert.strictEqual(connection?.state, "live", "a staged volume was not connected again")
    const last = process.facts.findLast(({ reason, volumeId }) =>
      volumeId === volume.id && reason.startsWith("Connection")
    )
    assert.notStrictEqual(last?.reason, "ConnectionFailure", "a recovery was not told")
    const mounted = (yield* machine.host.table).find(({ path }) => path === volume.stagingPath)
    if (mounted === undefined || connection?.block._tag !== "Some") continue
    assert.isTrue(sameDevice(mounted.device, connection.block.value), "unused staging still shows the lost device")
  }
  for (const volume of volumes) yield* process.driver.unstage(volume)
  const told = process.facts.length
  const { length } = process.operations
  yield* Watch.elapse(120)
  assert.lengthOf(process.operations, length, "a fiber was left after unstage")
  assert.lengthOf(process.facts, told)
  assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
  assert.deepStrictEqual(yield* Kit.mountedPaths(machine), [])
})

it.effect.prop(
  "whatever outages, renames and calls come: no reconnect of an unstaged volume, no unmount of a used staging, each change told " +
    "once, nothing left after unstage",
  [Schema.Array(Step).check(Schema.isMinLength(8), Schema.isMaxLength(20))],
  ([steps]) => Watch.isolated(() => model(steps)),
  { arbitrary: { runs: isThorough ? 100 : 15 } }
)

/** Changes of the kernel, calls and watching in any interleaving; two things happen at once at each step. */
const race = Effect.fnUntraced(function*() {
  const machine = yield* Kit.makeMachine()
  const volume = yield* addVolume(machine, 0)
  const process = yield* Watch.startWatching(machine)
  yield* process.driver.stage(volume, volume.change)
  const calls = [
    machine.initiator.remove(volume.nqn),
    Effect.exit(process.driver.unstage(volume)),
    Effect.exit(process.driver.stage(volume, volume.change)),
    Effect.exit(process.driver.unstage(volume))
  ]
  for (const call of calls) {
    yield* Effect.all([Kit.elapse(6), call], { concurrency: 2 })
  }
  yield* Kit.elapse(1)
  const connected = yield* Kit.connectedTo(machine)
  const staged = Option.isSome(yield* machine.records.get(volume.id))
  assert.deepStrictEqual(connected, staged ? [volume.nqn] : [])
})

it.effect.prop(
  "an unstage that races with a reconnect wins or comes again: what is not recorded is not connected",
  [Schema.Int],
  ([seed]) => Watch.isolated(() => race()).pipe(shuffled(seed)),
  { arbitrary: { runs: 5 } }
)
