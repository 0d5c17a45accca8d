import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Nqn } from "../../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../../src/volume/VolumeId.ts"
import * as Kit from "../NodeKit.ts"
import * as Watch from "./WatchKit.ts"

const block = { capability: Kit.blockCapability() }
const tuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }

/** Connects a subsystem without any call, as somebody else would. */
const connect = ({ exports, initiator }: Kit.Machine, nqn: Nqn) =>
  Effect.andThen(
    exports.put(nqn, { sizeBytes: Kit.GiB }),
    initiator.connect({ nqn, address: Kit.address, port: 4420, hostNqn: "nqn.2014-08.org.example:host", tuning })
  )

/** A machine on which an earlier process connected a volume and was killed before it recorded it. */
const withOrphan = Effect.gen(function*() {
  const machine = yield* Kit.makeMachine()
  const volume = yield* Kit.addVolume(machine)
  yield* connect(machine, volume.nqn)
  return { machine, volume }
})

const twoGraces = Watch.elapse(2 * Watch.graceSeconds)

describe("volumes that an earlier process staged", () => {
  it.effect("are watched again, and reported in one line each", () =>
    Watch.isolated((logs) =>
      Effect.gen(function*() {
        const { machine, process, volume } = yield* Watch.setUp()
        const other = yield* Kit.addVolume(machine, 2)
        yield* process.driver.stage(other, block)
        yield* process.kill
        const next = yield* Watch.startWatching(machine)
        const found = logs.filter(({ message }) => message === "found a staged volume")
        assert.sameMembers(found.map(({ annotations }) => annotations["volume_id"]), [volume.id, other.id])
        yield* machine.exports.put(volume.nqn, { up: false })
        yield* Watch.elapse(30)
        assert.deepStrictEqual(next.facts.map(({ reason, volumeId }) => [reason, volumeId]), [[
          "ConnectionFailure",
          volume.id
        ]])
        assert.deepStrictEqual(process.facts, [])
      })
    ))

  it.effect("what went wrong in between is told and repaired if nothing uses it", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* process.kill
      yield* machine.initiator.remove(volume.nqn)
      const next = yield* Watch.startWatching(machine)
      yield* Watch.elapse(30)
      assert.deepStrictEqual(Watch.reasons(next), [
        "ConnectionFailure",
        "ConnectionRecovery",
        "StaleMountDetected",
        "MountRecovery"
      ])
    }))

  it.effect("after a reboot are reported and kept for the orchestrator: not connected, not mounted, not told about", () =>
    Watch.isolated((logs) =>
      Effect.gen(function*() {
        for (const change of [{}, block]) {
          const { machine, process, volume } = yield* Watch.setUp(change)
          yield* process.kill
          yield* machine.host.reboot
          yield* machine.initiator.reboot
          const next = yield* Watch.startWatching(machine)
          yield* Watch.elapse(120)
          assert.isTrue(logs.some(({ message }) => message.includes("waits for the orchestrator")))
          assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
          assert.isTrue(Option.isSome(yield* machine.records.get(volume.id)))
          assert.deepStrictEqual(next.facts, [])
          yield* next.driver.stage(volume, change)
          yield* machine.exports.put(volume.nqn, { up: false })
          yield* Watch.notice
          assert.deepStrictEqual(Watch.reasons(next), ["ConnectionFailure"])
        }
      })
    ))

  it.effect("are taken over once the node's state can be read", () =>
    Effect.gen(function*() {
      const { machine, process, volume } = yield* Watch.setUp()
      yield* process.kill
      const next = yield* Watch.startWatching(machine, Kit.failOnce("list", "fail before"))
      yield* Watch.elapse(5)
      yield* machine.exports.put(volume.nqn, { up: false })
      yield* Watch.notice
      assert.deepStrictEqual(Watch.reasons(next), ["ConnectionFailure"])
    }))
})

describe("connections that belong to no staged volume", () => {
  it.effect("are ended after the grace period, and not before", () =>
    Watch.isolated(() =>
      Effect.gen(function*() {
        const { machine, volume } = yield* withOrphan
        yield* Watch.startWatching(machine)
        yield* Watch.elapse(Watch.graceSeconds - 1)
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
        yield* Watch.elapse(2)
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [])
        assert.strictEqual(yield* Watch.metric("rds_csi_orphans_cleaned_total"), 1)
      })
    ))

  it.effect("trap: orphan clean-up without an NQN filter: whatever is not surely this driver's own is left alone", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const root = Option.getOrThrow(Nqn.parse("nqn.2014-08.com.example:node-root"))
      const rootOnAppliance = Option.getOrThrow(Nqn.parse(`${Nqn.prefix}node-root`))
      const loose = Nqn.ofVolume(Option.getOrThrow(VolumeId.parse("legacy-volume")))
      const foreign = [root, rootOnAppliance, loose]
      yield* Effect.forEach(foreign, (nqn) => connect(machine, nqn))
      yield* Watch.startWatching(machine)
      yield* twoGraces
      assert.sameMembers([...yield* Kit.connectedTo(machine)], foreign)
    }))

  it.effect("are kept while anything uses them: a mount, a holder, a record that cannot be read", () =>
    Effect.gen(function*() {
      const mounted = yield* Watch.setUp()
      yield* mounted.machine.records.remove(mounted.volume.id)
      const held = yield* withOrphan
      const [connection] = yield* held.machine.initiator.connections
      yield* held.machine.host.openDevice(
        Option.getOrThrow(Option.fromNullishOr(connection?.block._tag === "Some" ? connection.block.value : undefined)),
        "qemu"
      )
      for (const { machine, volume } of [mounted, held]) {
        yield* Watch.startWatching(machine)
        yield* twoGraces
        assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      }
      const recorded = yield* Watch.setUp(block)
      yield* recorded.process.kill
      yield* Watch.startWatching(
        recorded.machine,
        (operation) => Effect.succeed(operation === "get" ? "fail before" : "none")
      )
      yield* twoGraces
      assert.deepStrictEqual(yield* Kit.connectedTo(recorded.machine), [recorded.volume.nqn])
    }))

  it.effect("are kept when the view of the host cannot be read, however long", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* withOrphan
      yield* Watch.startWatching(
        machine,
        (operation) => Effect.succeed(operation === "holders" ? "fail before" : "none")
      )
      yield* Watch.elapse(10 * Watch.graceSeconds)
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
    }))

  it.effect("one that is staged within the grace period is a staged volume", () =>
    Effect.gen(function*() {
      const { machine, volume } = yield* withOrphan
      const { driver, facts } = yield* Watch.startWatching(machine)
      yield* Watch.elapse(Watch.graceSeconds / 2)
      yield* driver.stage(volume, block)
      yield* twoGraces
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
      assert.deepStrictEqual(facts, [])
    }))

  it.effect("one that comes later is not looked for", () =>
    Effect.gen(function*() {
      const machine = yield* Kit.makeMachine()
      const volume = yield* Kit.addVolume(machine)
      yield* Watch.startWatching(machine)
      yield* connect(machine, volume.nqn)
      yield* Watch.elapse(10 * Watch.graceSeconds)
      assert.deepStrictEqual(yield* Kit.connectedTo(machine), [volume.nqn])
    }))
})
