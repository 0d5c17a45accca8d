import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { base, commands, GiB, holdings, path, quietly, rdsConfig, spec, start } from "./Harness.ts"

const pool = {
  slot: "p",
  mountPoint: "storage-pool",
  sizeBytes: 100n * GiB,
  fs: "xfs",
  state: "clean",
  mounted: true
} as const
const nqn = (id: VolumeId) => `nqn.2000-02.com.mikrotik:${id}`

quietly("create", (it) => {
  it.effect("makes and exports a volume in one exec, and reads it back", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const wanted = spec("first", { sizeBytes: GiB + 1n })
      const volume = yield* rds.create(wanted)
      const file = `storage-pool/metal-csi/${wanted.id}.img`
      assert.deepStrictEqual(volume, {
        id: wanted.id,
        slot: VolumeId.slot(wanted.id),
        nqn: volume.nqn,
        path: path(`/${file}`),
        sizeBytes: GiB + 1n,
        exported: true,
        port: 4420,
        owner: Option.some({ clusterId: rdsConfig.clusterId, volumeId: wanted.id }),
        comment: OwnershipTag.encode({ clusterId: rdsConfig.clusterId, volumeId: wanted.id })
      })
      assert.strictEqual(volume.nqn, nqn(wanted.id))
      assert.strictEqual((yield* commands(simulator)).length, 1)
      const [disk] = yield* simulator.device.disks
      assert.deepInclude(disk, {
        slot: volume.slot,
        filePath: `/${file}`,
        fileSize: GiB + 1n,
        exported: true,
        nqn: nqn(wanted.id),
        comment: OwnershipTag.encode({ clusterId: rdsConfig.clusterId, volumeId: wanted.id })
      })
      assert.isFalse(disk?.mountFilesystem, "trap: mount-filesystem defaults to yes")
    }))

  it.effect("again answers the same volume and changes nothing, also with another size", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const first = yield* rds.create(spec("a"))
      const before = yield* holdings(simulator)
      assert.deepStrictEqual(yield* rds.create(spec("a")), first)
      assert.deepStrictEqual(yield* rds.create(spec("a", { sizeBytes: 5n * GiB })), first)
      assert.deepStrictEqual(yield* holdings(simulator), before)
    }))

  it.effect("answers a volume of the Go driver as it is: slot is the id, no tag, file elsewhere", () =>
    Effect.gen(function*() {
      const directories = ["storage-pool/metal-csi", "storage-pool/old"]
      const { rds, simulator } = yield* start({ directories, unsure: { longSlot: "keep" } })
      const { id } = spec("a")
      yield* simulator.run(
        `/disk add type=file slot=${id} file-path=/storage-pool/old/${id}.img file-size=2G nvme-tcp-export=yes ` +
          `nvme-tcp-server-port=4421 nvme-tcp-server-nqn=${nqn(id)}`
      )
      const volume = yield* rds.create(spec("a"))
      assert.deepInclude(volume, { slot: id, sizeBytes: 2n * GiB, port: 4421, exported: true, owner: Option.none() })
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("exports a volume again whose removal was interrupted", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const volume = yield* rds.create(spec("a"))
      yield* simulator.run(`/disk set ${volume.slot} nvme-tcp-export=no`)
      yield* simulator.resetExecs
      assert.deepStrictEqual(yield* rds.create(spec("a")), volume)
      assert.strictEqual((yield* commands(simulator)).length, 1)
    }))

  it.effect("finishes what an interrupted creation left: an item that is tagged but not exported, and too small", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id, sizeBytes } = spec("a", { sizeBytes: 3n * GiB })
      const tag = OwnershipTag.encode({ clusterId: rdsConfig.clusterId, volumeId: id })
      yield* simulator.run(
        `/disk add type=file slot=${VolumeId.slot(id)} file-path=${base}/${id}.img file-size=1G mount-filesystem=no ` +
          `comment="${tag}"`
      )
      const volume = yield* rds.create(spec("a", { sizeBytes }))
      assert.deepInclude(volume, { sizeBytes, exported: true })
      assert.strictEqual(volume.nqn, nqn(id))
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("makes the missing directories below the pool first", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ directories: [] })
      const directory = path("/storage-pool/metal-csi/fast lane/x")
      const volume = yield* rds.create(spec("a", { directory }))
      assert.strictEqual(volume.path, path(`/storage-pool/metal-csi/fast lane/x/${volume.id}.img`))
      yield* simulator.resetExecs
      yield* rds.create(spec("b", { directory }))
      assert.strictEqual((yield* commands(simulator)).length, 1, "the directory is there now")
      const root = yield* rds.create(spec("c", { directory: path("/storage-pool") }))
      assert.strictEqual(root.path, path(`/storage-pool/${root.id}.img`))
    }))

  it.effect("two at once for the same name make one volume", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const both = yield* Effect.all([rds.create(spec("a")), rds.create(spec("a"))], { concurrency: 2 })
      assert.deepStrictEqual(both[0], both[1])
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))
})

quietly("create refuses and changes nothing", (it) => {
  const refused = Effect.fnUntraced(function*(
    { rds, simulator }: Effect.Success<ReturnType<typeof start>>,
    wanted: ReturnType<typeof spec>
  ) {
    const before = yield* holdings(simulator)
    const error = yield* Effect.flip(rds.create(wanted))
    assert.deepStrictEqual(yield* holdings(simulator), before)
    return error
  })

  it.effect("when the pool is too full for volume and reserve", () =>
    Effect.gen(function*() {
      const started = yield* start({ pools: [pool] })
      const error = yield* refused(started, spec("big", { sizeBytes: 100n * GiB }))
      assert.strictEqual(error._tag, "PoolFull")
      assert.match(
        error.message,
        /^pool storage-pool has .* free, too little for volume pvc-.* of 100 GiB and the reserve of 1 GiB/
      )
      yield* started.rds.create(spec("fits", { sizeBytes: 90n * GiB }))
    }))

  it.effect("when the pool fills up between the check and the add", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.simulator.faults.add("error=\"failure: not enough space\" match=/disk/add")
      assert.strictEqual((yield* refused(started, spec("a")))._tag, "PoolFull")
    }))

  it.effect("when no mounted pool holds the path", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const elsewhere = yield* refused(started, spec("a", { directory: path("/storage-pool2/metal-csi") }))
      assert.strictEqual(elsewhere._tag, "PoolNotReady")
      assert.match(elsewhere.message, /no mounted pool holds \/storage-pool2\/metal-csi\/pvc-/)
      yield* started.simulator.device.setPool("storage-pool", { mounted: false })
      assert.strictEqual((yield* refused(started, spec("a")))._tag, "PoolNotReady")
      yield* started.simulator.device.setPool("storage-pool", { mounted: true })
      yield* started.rds.create(spec("a"))
    }))

  it.effect("when the array is not clean; one that is being checked is clean", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.simulator.device.setPool("storage-pool", { state: "degraded" })
      const error = yield* refused(started, spec("a"))
      assert.strictEqual(error._tag, "PoolNotReady")
      assert.match(error.message, /pool storage-pool is in state "degraded", not clean/)
      yield* started.simulator.device.setPool("storage-pool", { state: "clean, sync:repair, resync = 12%" })
      yield* started.rds.create(spec("a"))
    }))

  it.effect("when something foreign uses its slot", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const wanted = spec("a")
      const slot = VolumeId.slot(wanted.id)
      yield* started.simulator.run(`/disk add type=file slot=${slot} file-path=/storage-pool/vm.img file-size=1G`)
      const error = yield* refused(started, wanted)
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.include(error.message, `the disk "${slot}" on the appliance already uses the slot ${slot}`)
    }))

  it.effect("when something foreign uses its file", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const wanted = spec("a")
      const file = `${base}/${wanted.id}.img`
      yield* started.simulator.run(`/disk add type=file slot=vm file-path=${file} file-size=1G`)
      const error = yield* refused(started, wanted)
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.include(error.message, `the disk "vm" on the appliance already uses the file ${file}`)
    }))

  it.effect("when something that is no file disk is exported under its NQN", () =>
    Effect.gen(function*() {
      const started = yield* start({ unsure: { duplicateNqn: "allow" } })
      const wanted = spec("a")
      for (const slot of ["x", "y"]) {
        yield* started.simulator.run(
          `/disk add type=file slot=${slot} file-path=/storage-pool/${slot}.img file-size=1G nvme-tcp-export=yes ` +
            `nvme-tcp-server-nqn=${nqn(wanted.id)}`
        )
      }
      const error = yield* refused(started, wanted)
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.match(error.message, /NQN of volume pvc-.* is claimed by the disk "x" and the disk "y"/)
    }))

  it.effect("when a file of its name is larger than asked for: it may hold data", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const wanted = spec("a", { sizeBytes: 3n * GiB })
      yield* started.rds.create(wanted)
      yield* started.simulator.run(`/disk remove ${VolumeId.slot(wanted.id)}`)
      const error = yield* refused(started, spec("a", { sizeBytes: 2n * GiB }))
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.match(error.message, /\.img exists and is larger than 2 GiB; it may hold data, so it is left alone/)
      const attached = yield* started.rds.create(spec("a", { sizeBytes: 4n * GiB }))
      assert.strictEqual(attached.sizeBytes, 4n * GiB)
    }))

  it.effect("when the user may not change anything", () =>
    Effect.gen(function*() {
      const error = yield* refused(yield* start({ policies: ["ssh", "read"] }), spec("a"))
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
      assert.match(error.message, /its group needs the policies ssh, read, write and test/)
    }))

  it.effect("when RouterOS refuses for a reason of its own, with its words", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.simulator.faults.add("error=\"failure: the moon is full\" match=/disk/add")
      const error = yield* refused(started, spec("a"))
      assert.strictEqual(error._tag, "ApplianceRefused")
      assert.match(error.message, /^the appliance refused to create volume pvc-\S+: failure: the moon is full/)
    }))

  it.effect("when RouterOS does not know a command, and sends nothing else", () =>
    Effect.gen(function*() {
      const started = yield* start()
      yield* started.simulator.faults.add("answer=\"bad command name serialize (line 1 column 90)\" match=/disk/add")
      const error = yield* refused(started, spec("a"))
      assert.strictEqual(error._tag, "ApplianceUnsupported")
      assert.strictEqual((yield* commands(started.simulator)).length, 1)
    }))
})
