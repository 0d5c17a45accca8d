import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { idOf } from "../orphans/World.ts"
import { holdings } from "../support/Holdings.ts"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { runProgram } from "../support/RunProgram.ts"
import { base, startAppliance } from "../support/TestCluster.ts"

const Entries = Schema.fromJsonString(
  Schema.Array(Schema.Struct({
    kind: Schema.Literals(["volume", "file"]),
    volumeId: Schema.String,
    sizeBytes: Schema.Int,
    path: Schema.String,
    slot: Schema.String,
    comment: Schema.String,
    exported: Schema.Boolean,
    orphan: Schema.Boolean,
    reason: Schema.String
  }))
)

/** A cluster and an appliance with a volume that is needed (1), two orphans (2, 3), one of the Go driver (4) and a file (5). */
const start = Effect.gen(function*() {
  const { controllerFlags, simulator } = yield* startAppliance()
  const cluster = yield* startCluster()
  const add = (n: number, comment: string) =>
    simulator.run(
      `/disk add type=file slot=${VolumeId.slot(idOf(n))} file-path=${base}/${
        idOf(n)
      }.img file-size=1G mount-filesystem=no ` +
        `comment="${comment}" nvme-tcp-export=yes nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${idOf(n)}`
    )
  for (const n of [1, 2, 3]) {
    yield* add(n, OwnershipTag.encode({ clusterId: OwnershipTag.ClusterId.schema.make("prod"), volumeId: idOf(n) }))
  }
  yield* add(4, "")
  yield* simulator.run(`/file add name="${base.slice(1)}/${idOf(5)}.img" contents=precious`)
  cluster.addVolume(idOf(1))
  const flags = [
    ...controllerFlags.filter((flag) => !flag.startsWith("--attachments")),
    "--cluster-id=prod",
    `--kubeconfig=${cluster.kubeconfig}`
  ]
  return {
    cluster,
    simulator,
    orphans: (command: string, ...args: ReadonlyArray<string>) => runProgram(["orphans", command, ...flags, ...args]),
    /** Ids of the volumes that are left, by their number. */
    left: Effect.map(
      simulator.device.disks,
      (disks) => [1, 2, 3, 4].filter((n) => disks.some(({ filePath }) => filePath.includes(idOf(n))))
    )
  }
})

layer(NodeServices.layer, { excludeTestServices: true })("rds-csi orphans", (it) => {
  it.effect("list shows every volume and file, why it is an orphan or not, and changes nothing", () =>
    Effect.gen(function*() {
      const { orphans, simulator } = yield* start
      const before = yield* holdings(simulator)
      const json = yield* orphans("list", "--output=json")
      assert.deepStrictEqual([json.code, json.errors], [0, []])
      const entries = yield* Schema.decodeEffect(Entries)(json.output)
      assert.deepStrictEqual(entries.map(({ kind, orphan, volumeId }) => [kind, volumeId, orphan]), [
        ["volume", idOf(1), false],
        ["volume", idOf(2), true],
        ["volume", idOf(3), true],
        ["volume", idOf(4), false],
        ["file", idOf(5), false]
      ])
      assert.deepStrictEqual(entries[1], {
        kind: "volume",
        volumeId: idOf(2),
        sizeBytes: 2 ** 30,
        path: `${base}/${idOf(2)}.img`,
        slot: VolumeId.slot(idOf(2)),
        comment: `rds-csi cluster=prod volume=${idOf(2)}`,
        exported: true,
        orphan: true,
        reason: "this cluster made it, and nothing refers to it"
      })
      const table = yield* orphans("list")
      const lines = table.output.split("\n")
      assert.match(lines[0] ?? "", /^ORPHAN +VOLUME +SIZE +EXPORTED +PATH +TAG +REASON$/)
      assert.match(
        lines[1] ?? "",
        new RegExp(`^no +${idOf(1)} +1 GiB +yes .* PersistentVolume ${idOf(1)} refers to it$`)
      )
      assert.match(
        lines[4] ?? "",
        /- +nothing refers to it, but no comment proves that this cluster made it: never removed$/
      )
      assert.match(lines[5] ?? "", /8 bytes .*no disk uses this file, and nothing tells whose it is: never removed$/)
      assert.deepStrictEqual(yield* holdings(simulator), before)
    }))

  it.effect("remove without --yes only tells, and fails", () =>
    Effect.gen(function*() {
      const { left, orphans } = yield* start
      const { code, errors, output } = yield* orphans("remove", idOf(2))
      assert.strictEqual(code, 1)
      assert.lengthOf(errors, 1)
      assert.include(errors[0], "nothing was removed: say --yes")
      assert.match(output, new RegExp(`\nyes +${idOf(2)} `))
      assert.deepStrictEqual(yield* left, [1, 2, 3, 4])
    }))

  it.effect("remove --yes removes the orphans among those that are named, and says why it left the others", () =>
    Effect.gen(function*() {
      const { left, orphans } = yield* start
      const named = [1, 2, 4, 6, 2].map(idOf)
      const { code, errors, output } = yield* orphans("remove", ...named, "--yes")
      assert.deepStrictEqual([code, output], [1, `${idOf(2)}: removed`])
      assert.lengthOf(errors, 4)
      assert.include(errors[0], `${idOf(1)}: not removed: PersistentVolume ${idOf(1)} refers to it`)
      assert.include(errors[1], `${idOf(4)}: not removed: nothing refers to it, but no comment proves`)
      assert.include(errors[2], `${idOf(6)}: not removed: it does not exist on the appliance`)
      assert.include(errors[3], "3 of 4 volumes were not removed")
      assert.deepStrictEqual(yield* left, [1, 3, 4])
      assert.deepStrictEqual(yield* orphans("remove", idOf(3), "--yes"), {
        code: 0,
        output: `${idOf(3)}: removed`,
        errors: []
      })
    }))

  it.effect("trap: an API server that does not let it see everything is no proof: nothing is removed", () =>
    Effect.gen(function*() {
      const { cluster, left, orphans } = yield* start
      cluster.faults.add({
        fault: { _tag: "Error", code: 403, message: "persistentvolumeclaims is forbidden" },
        match: ({ plural }) => plural === "persistentvolumeclaims"
      })
      const unlisted = yield* orphans("list")
      assert.deepStrictEqual([unlisted.code, unlisted.output], [69, ""])
      assert.include(unlisted.errors[0], "persistentvolumeclaims is forbidden")
      const removed = yield* orphans("remove", idOf(2), "--yes")
      assert.strictEqual(removed.code, 1)
      assert.include(removed.errors[0], "persistentvolumeclaims is forbidden")
      assert.deepStrictEqual(yield* left, [1, 2, 3, 4])
    }))

  it.effect("an appliance that does not answer ends list with 69", () =>
    Effect.gen(function*() {
      const { orphans, simulator } = yield* start
      yield* simulator.faults.add("refuse-auth")
      const { code, errors, output } = yield* orphans("list")
      assert.deepStrictEqual([code, output, errors.length], [69, "", 1])
      assert.include(errors[0], "the appliance refused the driver's ssh-ed25519 key")
    }))
})
