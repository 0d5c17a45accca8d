import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { connectionOf, visibleProblem } from "../../../../src/csi/node/watch/Health.ts"
import type { StageRecord } from "../../../../src/mount/StageRecord.ts"
import type { Controller } from "../../../../src/nvme/NvmeFabric.ts"
import { Nqn } from "../../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../../src/volume/VolumeId.ts"

const controllers = (...states: ReadonlyArray<Controller["state"]>): ReadonlyArray<Controller> =>
  states.map((state, at) => ({ name: `nvme${at}`, state, address: "10.42.68.1", port: 4420 }))

const volumeId = VolumeId.fromName("volume")
const device = { path: "/dev/nvme0n1", major: 259, minor: 3, sizeBytes: 1n << 30n, identity: "" }
const record: StageRecord = {
  version: 1,
  volumeId,
  nqn: Nqn.ofVolume(volumeId),
  stagingPath: "/staging",
  mode: { _tag: "Filesystem", fsType: "ext4", uuid: "uuid", flags: [] },
  readOnly: false,
  device,
  publications: []
}
const mount = { path: "/staging", device, fsType: "ext4", readOnly: false, filesystemReadOnly: false }

describe("the state of a connection", () => {
  const table: ReadonlyArray<readonly [ReadonlyArray<Controller["state"]>, string]> = [
    [[], "gone"],
    [["live"], "live"],
    [["dead", "live"], "live"],
    [["connecting"], "connecting"],
    [["resetting"], "connecting"],
    [["new", "dead"], "connecting"],
    [["dead"], "gone"],
    [["deleting"], "gone"],
    [["deleting (no IO)", "dead"], "gone"]
  ]
  for (const [states, expected] of table) {
    it(`${states.join(", ") || "no controller"}: ${expected}`, () =>
      assert.strictEqual(connectionOf(controllers(...states)), expected))
  }
})

describe("what shows of a staged volume", () => {
  const kind = (given: StageRecord, sight: Partial<Parameters<typeof visibleProblem>[1]>) =>
    visibleProblem(given, { device: Option.some(device), mounts: [mount], ...sight })?.kind

  it("one that is mounted as it was staged is well", () => assert.isUndefined(kind(record, {})))
  it("no block device", () => assert.strictEqual(kind(record, { device: Option.none() }), "no_device"))
  it("nothing mounted", () => assert.strictEqual(kind(record, { mounts: [] }), "not_mounted"))
  it("another device mounted, also beneath the present one", () => {
    const lost = { ...mount, device: { major: 259, minor: 9 } }
    assert.strictEqual(kind(record, { mounts: [lost] }), "stale")
    assert.strictEqual(kind(record, { mounts: [lost, mount] }), "stale")
  })
  it("a file system that is read-only, unless it was staged so", () => {
    const mounts = [{ ...mount, filesystemReadOnly: true }]
    assert.strictEqual(kind(record, { mounts }), "read_only")
    assert.isUndefined(kind({ ...record, readOnly: true }, { mounts }))
  })
  it("a block volume has no mount, and its recorded device", () => {
    const block: StageRecord = { ...record, mode: { _tag: "Block" } }
    assert.isUndefined(kind(block, { mounts: [] }))
    assert.strictEqual(kind(block, { mounts: [], device: Option.some({ ...device, minor: 4 }) }), "stale")
  })
})
