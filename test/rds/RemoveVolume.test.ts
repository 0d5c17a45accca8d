import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { base, commands, GiB, holdings, quietly, rdsConfig, spec, start, volumeId } from "./Harness.ts"

const add = (slot: string, file: string, more = "") =>
  `/disk add type=file slot="${slot}" file-path="${file}" file-size=1G mount-filesystem=no ${more}`
const exported = (id: string) => `nvme-tcp-export=yes nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${id.toLowerCase()}`

quietly("remove", (it) => {
  it.effect("removes item and file, in two execs (trap: removing an item leaves its file)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const empty = yield* holdings(simulator)
      const { id } = yield* rds.create(spec("a"))
      const other = yield* rds.create(spec("b"))
      yield* simulator.resetExecs
      yield* rds.remove(id)
      assert.strictEqual((yield* commands(simulator)).length, 2)
      assert.deepStrictEqual(yield* rds.list, [other])
      yield* rds.remove(other.id)
      assert.deepStrictEqual(yield* holdings(simulator), empty)
    }))

  it.effect("of what does not exist succeeds, in one exec", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* rds.remove(spec("a").id)
      assert.strictEqual((yield* commands(simulator)).length, 1)
    }))

  it.effect("removes volumes of the Go driver: no tag, slot is the id, upper case, another directory", () =>
    Effect.gen(function*() {
      const directories = ["storage-pool/metal-csi", "storage-pool/metal-csi/old"]
      const { rds, simulator } = yield* start({ directories, unsure: { longSlot: "keep" } })
      const empty = yield* holdings(simulator)
      for (
        const [id, directory] of [[spec("a").id, base], [volumeId("Sanity-Test-1"), base], [
          spec("b").id,
          `${base}/old`
        ]] as const
      ) {
        yield* simulator.run(add(id, `${directory}/${id}.img`, exported(id)))
        yield* rds.remove(id)
        assert.deepStrictEqual(yield* holdings(simulator), empty, id)
      }
    }))

  it.effect("removes what an interrupted removal left: the file alone, in its usual place", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const empty = yield* holdings(simulator)
      const { id, slot } = yield* rds.create(spec("a"))
      yield* simulator.run(`/disk remove ${slot}`)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* holdings(simulator), empty)
    }))

  it.effect("removes what an interrupted creation left: an item that is tagged but not exported yet", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const empty = yield* holdings(simulator)
      const { id } = spec("a")
      const tag = OwnershipTag.encode({ clusterId: rdsConfig.clusterId, volumeId: id })
      yield* simulator.run(add(VolumeId.slot(id), `${base}/${id}.img`, `comment="${tag}"`))
      assert.strictEqual((yield* simulator.device.disks).length, 1)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* holdings(simulator), empty)
    }))

  it.effect("waits out a file that takes long to delete", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id } = yield* rds.create(spec("a"))
      yield* simulator.faults.add("slow-remove=200ms match=/file/remove")
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* simulator.device.disks, [])
    }))

  it.effect("leaves files alone whose name only looks alike (trap: a regex in find name= matches nothing or too much)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({
        directories: ["storage-pool/metal-csi", "storage-pool/metal-csi/backup"]
      })
      const { id } = yield* rds.create(spec("a"))
      const alike = [
        `storage-pool/metal-csi/${id}ximg`,
        `storage-pool/metal-csi/backup/${id}.img`,
        `storage-pool/metal-csi/x${id}.img`,
        `storage-pool/metal-csi/${id}.img.old`
      ]
      yield* Effect.forEach(alike, (name) => simulator.run(`/file add name="${name}" contents=precious`))
      yield* rds.remove(id)
      const left = (yield* simulator.device.files).filter(({ directory }) => !directory).map((file) => file.path)
      assert.sameMembers(left, alike)
    }))
})

quietly("remove refuses and changes nothing", (it) => {
  const refused = Effect.fnUntraced(
    function*({ rds, simulator }: Effect.Success<ReturnType<typeof start>>, id: VolumeId) {
      const before = yield* holdings(simulator)
      const error = yield* Effect.flip(rds.remove(id))
      assert.deepStrictEqual(yield* holdings(simulator), before)
      assert.include(error.message, id)
      return error
    }
  )

  it.effect("a volume that another cluster has tagged (trap: clean-up removed other clusters' volumes)", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const { id, slot } = yield* started.rds.create(spec("a"))
      yield* started.simulator.run(`/disk set ${slot} comment="rds-csi cluster=staging volume=${id}"`)
      const error = yield* refused(started, id)
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.match(error.message, /is tagged "rds-csi cluster=staging .*": another cluster's/)
    }))

  it.effect("a volume whose comment a person has written is still the Go driver's", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id, slot } = yield* rds.create(spec("a"))
      yield* simulator.run(`/disk set ${slot} comment="web shop database"`)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* simulator.device.disks, [])
    }))

  it.effect("an item with its NQN whose file is outside the base, or not the volume's", () =>
    Effect.gen(function*() {
      const directories = ["storage-pool/metal-csi", "storage-pool/metal-csi2", "storage-pool/vms"]
      for (
        const file of [
          "/storage-pool/vms/disk.img",
          `/storage-pool/metal-csi2/${spec("a").id}.img`,
          `${base}/golden.img`
        ]
      ) {
        const started = yield* start({ directories })
        const { id } = spec("a")
        yield* started.simulator.run(add("vm", file, exported(id)))
        const error = yield* refused(started, id)
        assert.strictEqual(error._tag, "ApplianceConflict", file)
        assert.include(error.message, "the disk \"vm\" on the appliance uses a file that is not")
      }
    }))

  it.effect("two items with its NQN", () =>
    Effect.gen(function*() {
      const started = yield* start({ unsure: { duplicateNqn: "allow" } })
      const { id } = yield* started.rds.create(spec("a"))
      yield* started.simulator.run(add("copy", `${base}/copy.img`, exported(id)))
      assert.strictEqual((yield* refused(started, id))._tag, "ApplianceConflict")
    }))

  it.effect("its file, when some other item uses it", () =>
    Effect.gen(function*() {
      const started = yield* start()
      const { id } = spec("a")
      yield* started.simulator.run(add("rescue", `${base}/${id}.img`))
      const error = yield* refused(started, id)
      assert.strictEqual(error._tag, "ApplianceConflict")
      assert.match(error.message, /the disk "rescue" on the appliance uses its backing file/)
    }))

  it.effect("a record of where its file is that names something else", () =>
    Effect.gen(function*() {
      const { id } = spec("a")
      for (
        const victim of ["storage-pool/vms.img", `storage-pool/metal-csi/../${id}.img`, "", "storage-pool/metal-csi"]
      ) {
        const started = yield* start()
        yield* started.simulator.run(`/file add name="storage-pool/metal-csi/${id}.path" contents="${victim}"`)
        const error = yield* refused(started, id)
        assert.strictEqual(error._tag, "ApplianceConflict", victim)
        assert.match(error.message, /\.path on the appliance does not name its backing file/)
      }
    }))

  it.effect("when RouterOS says that the file is in use: the item stays removed, the next call goes on", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      const { id } = yield* rds.create(spec("a", { sizeBytes: 2n * GiB }))
      yield* simulator.faults.add("error=\"failure: file is in use\" step=3 match=/disk/remove")
      yield* simulator.faults.add("error=\"failure: file is in use\" match=^((?!/disk/remove).)*/file/remove")
      const error = yield* Effect.flip(rds.remove(id))
      assert.match(error.message, /^the appliance refused to remove volume pvc-\S+: failure: file is in use/)
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* simulator.device.disks, [])
    }))
})
