import { assert } from "@effect/vitest"
import { Effect, Option, Ref, Schedule } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import type { CreateSpec, Origin, RdsClient, RdsVolume } from "../../src/rds/RdsClient.ts"
import { csiPolicies } from "../../src/simulator/SimulatorConfig.ts"
import type { Unsure } from "../../src/simulator/Unsure.ts"
import { withoutSlash } from "../../src/volume/PathRules.ts"
import { each } from "../support/Thorough.ts"
import { base, commands, connect, GiB, path, quietly, spec, start, until } from "./Harness.ts"
import {
  btrfs,
  contentOf,
  cut,
  everything,
  free,
  heldBy,
  lasting,
  ofSnapshot,
  ofVolume,
  refused,
  snapshotId,
  writeTo
} from "./SnapshotKit.ts"

type Client = RdsClient["Service"]

/** Long enough for whatever is to be looked at meanwhile. */
const slow = lasting(1_000_000n)

/** Asks again until the snapshot is ready, and once more. */
const ready = (rds: Client, name: string, source: string) =>
  Effect.andThen(
    until(Effect.map(rds.snapshot(cut(name, source), free), (snapshot) => snapshot.ready)),
    rds.snapshot(cut(name, source), free)
  )

/** Asks again until the volume is there. */
const made = (rds: Client, wanted: CreateSpec, origin: Origin) =>
  Effect.andThen(
    until(
      rds.createFrom(wanted, origin, free).pipe(
        Effect.as(true),
        Effect.catchTag("CopyRunning", () => Effect.succeed(false))
      )
    ),
    rds.createFrom(wanted, origin, free)
  )

const found = (rds: Client, { id }: RdsVolume) => Effect.map(rds.get(id), Option.getOrThrow)

/** Asks again until the appliance is there. */
const backAgain = <A>(call: Effect.Effect<A, RdsError>) =>
  Effect.retry(call, {
    while: (error) => error._tag === "ApplianceUnavailable",
    schedule: Schedule.spaced("20 millis")
  })

quietly("a snapshot by copy", (it) => {
  it.effect("holds what the volume held at the cut, and leaves the volume as it was", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const { rds, simulator } = started
      const volume = yield* rds.create(spec("a"))
      yield* writeTo(simulator, volume, "at the cut")
      const before = yield* everything(started)
      const snapshot = yield* ready(rds, "s", "a")
      assert.deepInclude(snapshot, { id: snapshotId("s"), sizeBytes: GiB, source: Option.some(volume.id), ready: true })
      yield* simulator.resetExecs
      assert.deepStrictEqual(yield* rds.snapshot(cut("s", "a"), free), snapshot)
      assert.strictEqual((yield* commands(simulator)).length, 1)
      assert.deepStrictEqual(yield* found(rds, volume), volume)
      yield* writeTo(simulator, volume, "later")

      const restored = yield* made(rds, spec("b", { sizeBytes: 2n * GiB }), ofSnapshot("s"))
      assert.deepStrictEqual([restored.sizeBytes, restored.exported], [2n * GiB, true])
      assert.strictEqual(yield* contentOf(simulator, restored.path), "at the cut")
      assert.strictEqual(yield* contentOf(simulator, volume.path), "later")
      yield* rds.remove(restored.id)
      yield* rds.removeSnapshot(snapshot.id)
      assert.deepStrictEqual(
        { ...(yield* everything(started)), holdings: 0 },
        { ...before, holdings: 0 },
        "no script and no job is left"
      )
      yield* rds.remove(volume.id)
      const { holdings: { disks, files } } = yield* everything(started)
      assert.deepStrictEqual([disks, files.filter(({ directory }) => !directory)], [[], []])
    }))

  it.effect("is not ready as long as it is copied, and until then nobody can use or change the volume", () =>
    Effect.gen(function*() {
      const { rds, simulator, target } = yield* start(slow)
      const volume = yield* rds.create(spec("a"))
      const begun = yield* rds.snapshot(cut("s", "a"), free)
      assert.isFalse(begun.ready)
      assert.deepStrictEqual(yield* rds.snapshot(cut("s", "a"), free), begun)
      assert.deepStrictEqual(yield* rds.listSnapshots, [begun])
      const marked = yield* found(rds, volume)
      assert.isFalse(marked.exported, "a node that was let in by a mistake could not connect")
      const later = yield* connect(target)
      for (const client of [rds, later]) {
        const running = /^volume pvc-.* is being copied to snapshot snap-.* try again later$/
        assert.match((yield* Effect.flip(client.release(marked))).message, running)
        assert.match((yield* Effect.flip(client.remove(volume.id))).message, running)
        assert.match((yield* Effect.flip(client.grow(volume.id, 2n * GiB))).message, running)
        assert.deepStrictEqual(yield* client.create(spec("a")), marked, "CreateVolume again does not export it")
        const other = yield* Effect.flip(client.snapshot(cut("t", "a"), free))
        assert.strictEqual(other._tag, "CopyRunning")
        const early = yield* Effect.flip(client.createFrom(spec("b"), ofSnapshot("s"), free))
        assert.match(early.message, /still being copied/)
      }
      assert.strictEqual((yield* simulator.device.jobs).filter(({ script }) => script !== undefined).length, 1)
    }))

  it.effect("of a volume that a node holds is refused, names the node, and touches nothing", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.rds.create(spec("a"))
      const held = heldBy("node-7")
      const message = /is attached to node node-7.*detach it first, or use a volume on a btrfs pool/
      yield* refused(started, started.rds.snapshot(cut("s", "a"), held), "SourceInUse", message)
      yield* refused(started, started.rds.createFrom(spec("b"), ofVolume("a"), held), "SourceInUse", message)
    }))

  it.effect("trap: a node that gets the volume between check and cut is seen, and keeps it", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.rds.create(spec("a"))
      const asked = yield* Ref.make(0)
      const holder = Effect.map(Ref.updateAndGet(asked, (n) => n + 1), (n) => n > 1 ? Option.some("b") : Option.none())
      yield* refused(started, started.rds.snapshot(cut("s", "a"), holder), "SourceInUse", /attached to node b/)
      assert.strictEqual(yield* Ref.get(asked), 2)
    }))

  it.effect("that a restart of the appliance ended goes on from the same cut, as long as nobody used the volume", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start(slow)
      const volume = yield* rds.create(spec("a"))
      const begun = yield* rds.snapshot(cut("s", "a"), free)
      yield* simulator.reboot("10 millis")
      const again = yield* backAgain(rds.snapshot(cut("s", "a"), free))
      assert.deepStrictEqual(again, begun)
      assert.strictEqual((yield* simulator.device.jobs).filter(({ script }) => script !== undefined).length, 1)
      assert.isFalse((yield* found(rds, volume)).exported)
    }))

  it.effect("trap: a copy that a restart ended keeps nobody from the volume, and is cut anew then", () =>
    Effect.gen(function*() {
      const started = yield* start(lasting(500n))
      const { rds, simulator } = started
      const volume = yield* rds.create(spec("a"))
      yield* writeTo(simulator, volume, "one")
      const begun = yield* rds.snapshot(cut("s", "a"), free)
      yield* simulator.reboot("10 millis")
      const marked = yield* backAgain(found(rds, volume))
      assert.isFalse(marked.exported)
      assert.deepStrictEqual(yield* rds.release(marked), volume)
      assert.deepStrictEqual(yield* rds.listSnapshots, [], "what is not kept is not cut")
      yield* writeTo(simulator, volume, "two")
      const again = yield* ready(rds, "s", "a")
      assert.isAbove(again.createdAt, begun.createdAt)
      const restored = yield* made(rds, spec("b"), ofSnapshot("s"))
      assert.strictEqual(yield* contentOf(simulator, restored.path), "two")
    }))

  it.effect("that the appliance gives up is told with its reason, and begins anew when it is asked for again", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a"))
      yield* simulator.faults.add("error=\"failure: device busy\" in=job match=/file/copy")
      const error = yield* Effect.flip(
        Effect.repeat(rds.snapshot(cut("s", "a"), free), { until: (snapshot) => snapshot.ready })
      )
      assert.deepStrictEqual(yield* found(rds, volume), volume, "the volume is released")
      assert.match(error.message, /the appliance could not copy volume pvc-.* to snapshot snap-.*failure: device busy/)
      yield* simulator.faults.clear
      assert.isTrue((yield* ready(rds, "s", "a")).ready)
    }))

  for (const step of each(2, [1, 2, 3, 4, 5])) {
    it.effect(`whose job is killed after ${step} changes is made whole by the next calls, and never too early`, () =>
      Effect.gen(function*() {
        const { rds, simulator } = yield* start(lasting(500n))
        const volume = yield* rds.create(spec("a", { sizeBytes: GiB }))
        yield* writeTo(simulator, volume, "whole")
        yield* simulator.faults.add(`cut=during step=${step} in=job match=/file/copy`)
        const snapshot = yield* ready(rds, "s", "a")
        assert.strictEqual(yield* contentOf(simulator, `${base}/${snapshot.id}.img`), "whole")
        const file = (yield* simulator.device.files).find(({ path }) => path.endsWith(`${snapshot.id}.img`))
        assert.strictEqual(file?.sizeBytes, GiB)
        assert.deepStrictEqual(yield* found(rds, volume), volume)
      }))
  }

  it.effect("is deleted in the middle of it: nothing is left, and the volume is free", () =>
    Effect.gen(function*() {
      const started = yield* start(slow)
      const { rds } = started
      const volume = yield* rds.create(spec("a"))
      const before = yield* everything(started)
      yield* rds.snapshot(cut("s", "a"), free)
      yield* rds.removeSnapshot(snapshotId("s"))
      assert.deepStrictEqual(yield* everything(started), before)
      assert.deepStrictEqual(yield* found(rds, volume), volume)
    }))

  it.effect("is not copied over a file that nothing is on record of", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.rds.create(spec("a"))
      yield* started.simulator.run(`/file add name="${withoutSlash(base)}/${snapshotId("s")}.img" contents=precious`)
      const call = started.rds.snapshot(cut("s", "a"), free)
      yield* refused(started, call, "ApplianceConflict", /exists on the appliance and is not on record/)
    }))

  it.effect("needs room for all of the volume", () =>
    Effect.gen(function*() {
      const started = yield* start({ pools: [{ ...btrfs.pools[0], fs: "xfs", sizeBytes: 10n * GiB }] })
      yield* started.rds.create(spec("a", { sizeBytes: 6n * GiB }))
      const call = started.rds.snapshot(cut("s", "a"), free)
      yield* refused(started, call, "PoolFull", /too little for a copy of volume pvc-/)
    }))

  it.effect("lies in the directory of its class, and is a snapshot of the Go driver's volume as well", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id } = spec("a")
      yield* simulator.run(
        `/disk add type=file slot=x file-path=${base}/${id}.img file-size=1G mount-filesystem=no nvme-tcp-export=yes ` +
          `nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${id}`
      )
      const directory = Option.some(path(`${base}/snaps`))
      const call = rds.snapshot({ ...cut("s", "a"), directory }, free)
      yield* until(Effect.map(call, (snapshot) => snapshot.ready))
      assert.isTrue((yield* simulator.device.files).some((file) => file.path.endsWith(`snaps/${snapshotId("s")}.img`)))
      const [disk] = yield* simulator.device.disks
      assert.deepStrictEqual([disk?.comment, disk?.exported], ["", true])
      yield* rds.removeSnapshot(snapshotId("s"))
    }))
})

quietly("a volume by copy", (it) => {
  it.effect("is made of another volume, and of a snapshot that was cut with Btrfs or by the Go driver", () =>
    Effect.gen(function*() {
      const { rds, simulator, target } = yield* start(btrfs)
      const volume = yield* rds.create(spec("a"))
      yield* writeTo(simulator, volume, "content")
      yield* rds.snapshot(cut("s", "a"), free)
      const copying = yield* connect(target, { rds: { snapshots: "copy" } })
      const go = "snap-6ba7b810-9dad-51d1-80b4-00c04fd430c8-at-6ba7b8109d"
      yield* simulator.run(
        `/file/copy "${withoutSlash(volume.path)}" name="${withoutSlash(base)}/${go}.img"; ` +
          `/disk add type=file slot=${go} file-path=${base}/${go}.img mount-filesystem=no`
      )
      const older = Option.getOrThrow(yield* rds.getSnapshot(snapshotId("s")))
      const origins = [ofVolume("a"), ofSnapshot("s"), {
        content: {
          _tag: "Snapshot" as const,
          id: Option.getOrThrow(Option.liftPredicate((_: string): _ is typeof older.id => true)(go))
        },
        maxBytes: GiB
      }]
      for (const [i, origin] of origins.entries()) {
        const { exported, path: image } = yield* made(copying, spec(`b${i}`), origin)
        assert.deepStrictEqual([exported, image], [true, `${base}/${spec(`b${i}`).id}.img`])
        assert.strictEqual(yield* contentOf(simulator, image), "content")
        yield* rds.remove(spec(`b${i}`).id)
      }
      assert.deepStrictEqual(yield* found(rds, volume), volume)
      assert.deepStrictEqual(yield* simulator.device.scripts, [])
    }))

  it.effect("says how far it is; its source can neither be used nor deleted until it is there", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start(slow)
      const volume = yield* rds.create(spec("a"))
      const running = yield* Effect.flip(rds.createFrom(spec("b"), ofVolume("a"), free))
      assert.strictEqual(running._tag, "CopyRunning")
      assert.match(running.message, /is being made of volume pvc-.*, of which \d+ % are copied; try again later/)
      assert.deepStrictEqual(yield* rds.list, [yield* found(rds, volume)], "what is not whole is no volume")
      assert.strictEqual((yield* Effect.flip(rds.remove(volume.id)))._tag, "CopyRunning")
      const other = yield* Effect.flip(rds.create(spec("b")))
      assert.strictEqual(other._tag, "MadeOfOther")
      yield* rds.remove(spec("b").id)
      assert.deepStrictEqual(yield* rds.list, [volume])
      assert.deepStrictEqual(yield* simulator.device.scripts, [])
    }))

  it.effect("keeps the snapshot that it is copied from", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const { rds, simulator } = started
      yield* rds.create(spec("a"))
      yield* ready(rds, "s", "a")
      yield* simulator.faults.add("hang=before in=job match=/file/copy")
      yield* Effect.flip(rds.createFrom(spec("b"), ofSnapshot("s"), free))
      yield* refused(started, rds.removeSnapshot(snapshotId("s")), "SourceInUse", /is being copied to a new volume/)
      yield* rds.remove(spec("b").id)
      yield* rds.removeSnapshot(snapshotId("s"))
      assert.deepStrictEqual(yield* rds.listSnapshots, [])
    }))

  it.effect("that was made before is copied on a pool with Btrfs as well, unless only Btrfs is allowed", () =>
    Effect.gen(function*() {
      const { simulator, target } = yield* start({ ...btrfs, version: "7.23 (stable)" })
      const older = yield* connect(target, { rds: { snapshots: "off" } })
      yield* older.create(spec("a"))
      const strict = yield* connect(target, { rds: { snapshots: "btrfs" } })
      const error = yield* Effect.flip(strict.snapshot(cut("s", "a"), free))
      assert.match(error.message, /--snapshots=btrfs does not allow: it was made without a subvolume of its own/)
      const rds = yield* connect(target)
      assert.isTrue((yield* ready(rds, "s", "a")).ready)
      assert.deepStrictEqual(yield* simulator.device.subvolumes, [])
    }))
})

// The other tests run with the harder reading of each.
const readings: ReadonlyArray<Partial<Unsure>> = [
  { copyTarget: "appears" },
  { failedCopy: "undo" },
  { copiedExport: "refuse" },
  { executeLostConnection: "stop" },
  { fileContents: "print" },
  { fileWrite: "ftp" },
  { scriptWrite: "policy" },
  { lostConnection: "stop" },
  { missingDirectory: "create" },
  { asValueSizes: "text" }
]

quietly("copies, whichever way RouterOS is", (it) => {
  for (const unsure of each(5, readings)) {
    it.effect(JSON.stringify(unsure), () =>
      Effect.gen(function*() {
        const started = yield* start({ ...lasting(200n), unsure, policies: [...csiPolicies, "ftp", "policy"] })
        const { rds, simulator } = started
        const empty = yield* everything(started)
        const volume = yield* rds.create(spec("a"))
        yield* writeTo(simulator, volume, "content")
        yield* simulator.faults.add("pool-full in=job match=/file/copy")
        yield* until(Effect.map(rds.snapshot(cut("s", "a"), free), ({ ready }) => ready)).pipe(
          Effect.retry({ times: 3 })
        )
        const restored = yield* made(rds, spec("b"), ofSnapshot("s"))
        assert.strictEqual(yield* contentOf(simulator, restored.path), "content")
        yield* rds.remove(volume.id)
        yield* rds.removeSnapshot(snapshotId("s"))
        yield* rds.remove(restored.id)
        assert.deepStrictEqual(yield* everything(started), empty)
        const lines = (yield* started.simulator.execs).map(({ line }) => line)
        assert.deepStrictEqual(lines.filter((line) => /;\s*;/.test(line)), [], "nobody has seen an empty statement")
      }))
  }

  it.effect("{\"scriptWrite\":\"policy\"} without that policy: the message says what the user lacks", () =>
    Effect.gen(function*() {
      const { rds } = yield* start({ unsure: { scriptWrite: "policy" } })
      const volume = yield* rds.create(spec("a"))
      const error = yield* Effect.flip(rds.snapshot(cut("s", "a"), free))
      assert.strictEqual(error._tag, "ApplianceAuthFailed", error.message)
      assert.deepStrictEqual(yield* rds.release(yield* found(rds, volume)), volume)
    }))
})
