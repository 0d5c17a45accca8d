import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import type { Unsure } from "../../src/simulator/Unsure.ts"
import * as Content from "../../src/volume/Content.ts"
import * as ImageRecord from "../../src/volume/ImageRecord.ts"
import * as ItemComment from "../../src/volume/ItemComment.ts"
import { base, commands, GiB, path, quietly, rdsConfig, spec, start } from "./Harness.ts"
import { btrfs, cut, everything, free, ofSnapshot, ofVolume, refused, snapshotId } from "./SnapshotKit.ts"

quietly("a volume on a pool with Btrfs", (it) => {
  it.effect("gets a subvolume of its own, in one exec, and leaves nothing when it is removed", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds, simulator } = started
      const empty = yield* everything(started)
      const { id, path: image } = yield* rds.create(spec("a"))
      assert.strictEqual(image, `${base}/${id}/disk.img`)
      assert.strictEqual((yield* commands(simulator)).length, 1)
      const [subvolume] = yield* simulator.device.subvolumes
      assert.deepInclude(subvolume, { path: `storage-pool/metal-csi/${id}`, readOnly: false })
      const grown = Option.getOrThrow(yield* rds.grow(id, 2n * GiB))
      assert.deepStrictEqual([grown.sizeBytes, grown.path], [2n * GiB, image])
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* everything(started), empty)
    }))

  for (const snapshots of ["copy", "off"] as const) {
    it.effect(`does not with --snapshots=${snapshots}`, () =>
      Effect.gen(function*() {
        const { rds, simulator } = yield* start(btrfs, { rds: { snapshots } })
        const { id, path: image } = yield* rds.create(spec("a"))
        assert.strictEqual(image, `${base}/${id}.img`)
        assert.deepStrictEqual(yield* simulator.device.subvolumes, [])
      }))
  }

  it.effect("that was made without one is used, grown and removed as it is", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds, simulator } = started
      const empty = yield* everything(started)
      const { id } = spec("a")
      yield* simulator.run(
        `/disk add type=file slot=x file-path=${base}/${id}.img file-size=1G mount-filesystem=no nvme-tcp-export=yes ` +
          `nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${id}`
      )
      assert.strictEqual((yield* rds.create(spec("a"))).path, `${base}/${id}.img`)
      yield* rds.grow(id, 2n * GiB)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* everything(started), empty)
    }))

  it.effect("is not removed together with a file that somebody has put beside its image", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start(btrfs)
      const { id } = yield* rds.create(spec("a"))
      yield* simulator.run(`/file add name="storage-pool/metal-csi/${id}/notes.txt" contents=precious`)
      assert.strictEqual((yield* Effect.flip(rds.remove(id)))._tag, "ApplianceRefused")
      assert.isTrue((yield* simulator.device.files).some(({ path }) => path.endsWith("notes.txt")))
      yield* simulator.run(`/file remove "storage-pool/metal-csi/${id}/notes.txt"`)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* simulator.device.subvolumes, [])
    }))

  it.effect("is not made over a directory that is in the way, nor removed by a subvolume elsewhere", () =>
    Effect.gen(function*() {
      const { id } = spec("a")
      const started = yield* start({ ...btrfs, directories: ["storage-pool/metal-csi", "storage-pool/vms"] })
      yield* started.simulator.run(`/file add type=directory name="storage-pool/metal-csi/${id}"`)
      yield* refused(started, started.rds.create(spec("a")), "ApplianceConflict", /is not this volume's subvolume/)
      yield* started.simulator.run(`/disk/btrfs/subvolume/add fs=Data name="vms/${id}"`)
      yield* refused(started, started.rds.remove(id), "ApplianceConflict", /is not below/)
    }))
})

quietly("a snapshot on a pool with Btrfs", (it) => {
  it.effect("is cut of an exported volume, on record, and the same when it is asked for again", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds, simulator } = started
      const { id } = yield* rds.create(spec("a", { sizeBytes: 3n * GiB }))
      yield* simulator.resetExecs
      const snapshot = yield* rds.snapshot(cut("s", "a"), free)
      assert.strictEqual((yield* commands(simulator)).length, 2)
      assert.deepInclude(snapshot, { id: snapshotId("s"), source: Option.some(id), sizeBytes: 3n * GiB, ready: true })
      const before = yield* everything(started)
      yield* simulator.resetExecs
      assert.deepStrictEqual(yield* rds.snapshot(cut("s", "a"), free), snapshot)
      assert.strictEqual((yield* commands(simulator)).length, 1)
      assert.deepStrictEqual(yield* everything(started), before)
      assert.isTrue(before.subvolumes.some(({ path, readOnly }) => readOnly && path.endsWith(snapshot.id)))
      assert.isTrue(before.holdings.disks.every(({ exported }) => exported), "the volume stays exported")
      assert.deepStrictEqual(yield* rds.getSnapshot(snapshot.id), Option.some(snapshot))
      assert.deepStrictEqual(yield* rds.listSnapshots, [snapshot])
    }))

  it.effect("lies in the directory of its class, which is made", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start(btrfs)
      yield* rds.create(spec("a"))
      yield* rds.snapshot({ ...cut("s", "a"), directory: Option.some(path(`${base}/snaps/daily`)) }, free)
      const paths = (yield* simulator.device.subvolumes).map(({ path }) => path)
      assert.include(paths, `storage-pool/metal-csi/snaps/daily/${snapshotId("s")}`)
      yield* rds.createFrom(spec("b"), ofSnapshot("s"), free)
      yield* rds.removeSnapshot(snapshotId("s"))
      assert.deepStrictEqual(yield* rds.listSnapshots, [])
    }))

  it.effect("outlives its source, and what was made of it outlives it", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds } = started
      const empty = yield* everything(started)
      const { id } = yield* rds.create(spec("a"))
      const snapshot = yield* rds.snapshot(cut("s", "a"), free)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* rds.listSnapshots, [snapshot])
      const restored = yield* rds.createFrom(spec("b"), ofSnapshot("s"), free)
      assert.deepInclude(restored, { sizeBytes: GiB, exported: true })
      yield* rds.removeSnapshot(snapshot.id)
      assert.deepStrictEqual(yield* rds.get(restored.id), Option.some(restored))
      yield* rds.remove(restored.id)
      assert.deepStrictEqual(yield* everything(started), empty)
    }))

  it.effect("cannot be had of another volume under the same name, or of none", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds } = started
      yield* rds.create(spec("a"))
      yield* rds.create(spec("b"))
      yield* rds.snapshot(cut("s", "a"), free)
      yield* refused(started, rds.snapshot(cut("s", "b"), free), "MadeOfOther", /exists already, and is of volume pvc-/)
      yield* refused(started, rds.snapshot(cut("t", "none"), free), "SourceMissing", /does not exist on the appliance/)
    }))

  it.effect("is refused where nothing can cut it, and the message says what would help", () =>
    Effect.gen(function*() {
      const cases = [
        [{ version: "7.22.1 (stable)" }, {}, /is xfs, not btrfs.*use a volume on a btrfs pool/],
        [btrfs, { rds: { snapshots: "off" } }, /switched off \(--snapshots=off\)/],
        [{ pools: [{ ...defaultPool, fs: "btrfs", label: "" }], version: "7.22.1 (stable)" }, {}, /has no label/]
      ] as const
      for (const [device, settings, message] of cases) {
        const started = yield* start(device, settings)
        yield* started.rds.create(spec("a"))
        yield* refused(started, started.rds.snapshot(cut("s", "a"), free), "SnapshotsUnsupported", message)
        yield* refused(started, started.rds.createFrom(spec("b"), ofVolume("a"), free), "SnapshotsUnsupported", message)
      }
    }))

  it.effect("whose record cannot be read, or is another cluster's, is an error and is left alone", () =>
    Effect.gen(function*() {
      const record: ImageRecord.ImageRecord = {
        clusterId: rdsConfig.clusterId,
        target: Content.ofSnapshot(snapshotId("s")),
        source: Content.ofVolume(spec("a").id),
        sizeBytes: GiB,
        time: 0,
        state: "subvolume",
        path: path(`${base}/${snapshotId("s")}/disk.img`)
      }
      const text = ImageRecord.encode(record)
      const cases = [
        ["nonsense", /cannot be read as a record/],
        [text.replace("cluster=prod", "cluster=staging"), /belongs to the cluster staging/],
        [text.replace(/path=.*/, "path=/storage-pool/vms/disk.img"), /cannot be read as a record/]
      ] as const
      for (const [contents, message] of cases) {
        const started = yield* start(btrfs)
        yield* started.rds.create(spec("a"))
        yield* started.simulator.run(
          `/file add name="storage-pool/metal-csi/${snapshotId("s")}.snap" contents="${contents}"`
        )
        yield* refused(started, started.rds.removeSnapshot(snapshotId("s")), "ApplianceConflict", message)
      }
    }))

  it.effect("trap: another cluster's snapshots are not listed, and a list that cannot be read is no list", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start(btrfs)
      yield* rds.create(spec("a"))
      yield* rds.snapshot(cut("s", "a"), free)
      const record = `storage-pool/metal-csi/${snapshotId("s")}.snap`
      yield* simulator.run(
        `:local c [/file/get [find name="${record}"] contents]; ` +
          `/file/set [find name="${record}"] contents=("rds-csi cluster=staging" . [:pick $c 20 [:len $c]])`
      )
      assert.deepStrictEqual(yield* rds.listSnapshots, [])
      yield* simulator.run(`/file/set [find name="${record}"] contents=oops`)
      assert.match((yield* Effect.flip(rds.listSnapshots)).message, /cannot be read as a record/)
    }))

  it.effect("without a record is nobody's: neither cut over nor removed", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds, simulator } = started
      yield* rds.create(spec("a"))
      yield* simulator.run(`/disk/btrfs/subvolume/add fs=Data name="metal-csi/${snapshotId("s")}" read-only=yes`)
      yield* refused(started, rds.snapshot(cut("s", "a"), free), "ApplianceConflict", /no record of it/)
      yield* refused(started, rds.removeSnapshot(snapshotId("s")), "ApplianceConflict", /nothing is on record/)
    }))
})

quietly("a volume made of a snapshot or a volume", (it) => {
  it.effect("says what it was made of, and is the same when it is asked for again", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds } = started
      yield* rds.create(spec("a"))
      yield* rds.snapshot(cut("s", "a"), free)
      for (const [name, origin] of [["b", ofSnapshot("s")], ["c", ofVolume("a")]] as const) {
        const made = yield* rds.createFrom(spec(name, { sizeBytes: 2n * GiB }), origin, free)
        assert.deepInclude(made, { sizeBytes: 2n * GiB, exported: true })
        assert.deepStrictEqual(ItemComment.originOf(made.comment), Option.some(origin.content))
        const before = yield* everything(started)
        assert.deepStrictEqual(yield* rds.createFrom(spec(name, { sizeBytes: 2n * GiB }), origin, free), made)
        assert.deepStrictEqual(yield* everything(started), before)
      }
    }))

  it.effect("is as large as its content when less is asked for, and refused when that is too much", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds } = started
      yield* rds.create(spec("a", { sizeBytes: 4n * GiB }))
      yield* rds.snapshot(cut("s", "a"), free)
      const tooSmall = rds.createFrom(spec("b", { sizeBytes: 2n * GiB }), ofSnapshot("s", 2n * GiB), free)
      yield* refused(started, tooSmall, "SourceTooLarge", /that has 4 GiB, and no more than 2 GiB are asked for/)
      assert.deepInclude(yield* rds.createFrom(spec("b"), ofSnapshot("s"), free), { sizeBytes: 4n * GiB })
    }))

  it.effect("is refused when there is no source, no room to grow, or something in the way", () =>
    Effect.gen(function*() {
      const started = yield* start({ pools: [{ ...btrfs.pools[0], sizeBytes: 10n * GiB }] })
      const { rds, simulator } = started
      yield* rds.create(spec("a", { sizeBytes: 4n * GiB }))
      const missing = rds.createFrom(spec("b"), ofSnapshot("none"), free)
      yield* refused(started, missing, "SourceMissing", /snapshot snap-.* of which volume pvc-.* does not exist/)
      const large = rds.createFrom(spec("b", { sizeBytes: 12n * GiB }), ofVolume("a"), free)
      yield* refused(started, large, "PoolFull", /too little for volume pvc-/)
      yield* simulator.run(`/disk/btrfs/subvolume/add fs=Data name="metal-csi/${spec("b").id}"`)
      const occupied = rds.createFrom(spec("b"), ofVolume("a"), free)
      yield* refused(started, occupied, "ApplianceConflict", /may hold data, so it is left alone/)
    }))

  it.effect("that was begun belongs to its source: no other and no empty one takes its place, and it can be deleted", () =>
    Effect.gen(function*() {
      const started = yield* start(btrfs)
      const { rds, simulator } = started
      yield* rds.create(spec("a"))
      yield* rds.create(spec("c"))
      const before = yield* everything(started)
      yield* simulator.faults.add("error=\"failure: out of luck\" match=/disk/add count=9")
      assert.match((yield* Effect.flip(rds.createFrom(spec("b"), ofVolume("a"), free))).message, /out of luck/)
      yield* simulator.faults.clear
      yield* refused(started, rds.createFrom(spec("b"), ofVolume("c"), free), "MadeOfOther", /is being made of volume/)
      yield* refused(started, rds.create(spec("b")), "MadeOfOther", /is being made of a snapshot or of another volume/)
      yield* rds.remove(spec("b").id)
      assert.deepStrictEqual(yield* everything(started), before)
    }))
})

// The other tests run with the harder reading of each.
const readings: ReadonlyArray<Partial<Unsure>> = [
  { subvolumeParent: "name" },
  { readOnlyImage: "allow" },
  { busySubvolume: "remove" },
  { btrfsDevices: "present-devs" },
  { asValueSizes: "text" },
  { asValueGaps: "file-size" },
  { asValueGaps: "size" },
  { lostConnection: "stop" },
  { missingDirectory: "create" },
  { existingFile: "keep" }
]

quietly("snapshots with Btrfs, whichever way RouterOS is", (it) => {
  for (const unsure of readings) {
    it.effect(JSON.stringify(unsure), () =>
      Effect.gen(function*() {
        const started = yield* start({ ...btrfs, unsure })
        const { rds } = started
        const empty = yield* everything(started)
        yield* rds.create(spec("a"))
        assert.isTrue((yield* rds.snapshot(cut("s", "a"), free)).ready)
        assert.isTrue((yield* rds.createFrom(spec("b", { sizeBytes: 2n * GiB }), ofSnapshot("s"), free)).exported)
        assert.isTrue((yield* rds.createFrom(spec("c"), ofVolume("b"), free)).exported)
        yield* rds.remove(spec("a").id)
        yield* rds.removeSnapshot(snapshotId("s"))
        for (const name of ["b", "c"]) yield* rds.remove(spec(name).id)
        assert.deepStrictEqual(yield* everything(started), empty)
        const lines = (yield* started.simulator.execs).map(({ line }) => line)
        assert.deepStrictEqual(lines.filter((line) => /;\s*;/.test(line)), [], "nobody has seen an empty statement")
      }))
  }

  it.effect("{\"snapshottedSubvolume\":\"refuse\"}: what others were made of goes after them, with a reason until then", () =>
    Effect.gen(function*() {
      const started = yield* start({ ...btrfs, unsure: { snapshottedSubvolume: "refuse" } })
      const { rds } = started
      const empty = yield* everything(started)
      yield* rds.create(spec("a"))
      yield* rds.snapshot(cut("s", "a"), free)
      assert.match((yield* Effect.flip(rds.remove(spec("a").id))).message, /subvolume has snapshots/)
      assert.isTrue(
        (yield* rds.createFrom(spec("b"), ofSnapshot("s"), free)).exported,
        "the snapshot can still be restored"
      )
      assert.match((yield* Effect.flip(rds.removeSnapshot(snapshotId("s")))).message, /subvolume has snapshots/)
      yield* rds.remove(spec("b").id)
      yield* rds.removeSnapshot(snapshotId("s"))
      yield* rds.remove(spec("a").id)
      assert.deepStrictEqual(yield* everything(started), empty)
    }))
})
