import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, type Path, References } from "effect"
import type { StageRecord } from "../../src/mount/StageRecord.ts"
import { StageRecords } from "../../src/mount/StageRecords.ts"
import { Nqn } from "../../src/volume/Nqn.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

const recordOf = (name: string): StageRecord => {
  const volumeId = VolumeId.fromName(name)
  return {
    version: 1,
    volumeId,
    nqn: Nqn.ofVolume(volumeId),
    stagingPath: "/staging",
    mode: { _tag: "Filesystem", fsType: "ext4", uuid: "uuid", flags: ["nosuid"] },
    readOnly: false,
    device: { path: "/dev/nvme0n1", major: 259, minor: 0, sizeBytes: (1n << 53n) + 1n, identity: "" },
    publications: [{ targetPath: "/target", readOnly: true }]
  }
}

/** The store on a directory of its own, which `use` gets too. */
const onDirectory = <A, E>(
  use: (directory: string) => Effect.Effect<A, E, StageRecords | FileSystem.FileSystem | Path.Path>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = `${yield* fs.makeTempDirectoryScoped()}/state`
    return yield* Effect.provide(use(directory), StageRecords.layerFiles(directory))
  }).pipe(Effect.provide(NodeServices.layer))

describe("StageRecords", () => {
  const stores = {
    "in memory": <A, E>(use: Effect.Effect<A, E, StageRecords>) =>
      Effect.provide(use, Layer.fresh(StageRecords.layerMemory)),
    "in files": <A, E>(use: Effect.Effect<A, E, StageRecords>) => onDirectory(() => use)
  }
  for (const [name, provide] of Object.entries(stores)) {
    it.live(`${name}: what is put is got, replaced, listed by volume and removed`, () =>
      provide(Effect.gen(function*() {
        const records = yield* StageRecords
        const [a, b] = [recordOf("a"), recordOf("b")]
        assert.isTrue(Option.isNone(yield* records.get(a.volumeId)))
        yield* records.remove(a.volumeId)
        yield* records.put(a)
        yield* records.put(b)
        const connection = {
          address: "10.42.68.1",
          port: 4420,
          tuning: { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }
        }
        const changed = { ...a, mode: { _tag: "Block" as const }, publications: [], connection }
        yield* records.put(changed)
        assert.deepStrictEqual(yield* records.get(a.volumeId), Option.some(changed))
        const listed = yield* records.list
        assert.deepStrictEqual(listed, [changed, b].toSorted((x, y) => x.volumeId < y.volumeId ? -1 : 1))
        assert.isTrue(yield* records.has(a.volumeId))
        yield* records.remove(a.volumeId)
        assert.isFalse(yield* records.has(a.volumeId))
        assert.deepStrictEqual(yield* records.list, [b])
      })))
  }

  it.live("survive the process, in a directory for root alone", () =>
    onDirectory((directory) =>
      Effect.gen(function*() {
        const record = recordOf("a")
        yield* StageRecords.use((records) => records.put(record))
        const again = yield* Effect.provide(
          StageRecords.use((records) => records.get(record.volumeId)),
          StageRecords.layerFiles(directory)
        )
        assert.deepStrictEqual(again, Option.some(record))
        const fs = yield* FileSystem.FileSystem
        assert.strictEqual((yield* fs.stat(directory)).mode & 0o777, 0o700)
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [`${record.volumeId}.json`])
      })
    ))

  it.live("one that is cut off, of another version or another volume's counts as missing, and can be replaced", () =>
    onDirectory((directory) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const records = yield* StageRecords
        const record = recordOf("a")
        const file = `${directory}/${record.volumeId}.json`
        yield* records.put(record)
        const text = yield* fs.readFileString(file)
        const damaged = [
          text.slice(0, -10),
          "",
          "{}",
          text.replace("\"version\":1", "\"version\":2"),
          text.replaceAll("pvc-", "vol-")
        ]
        for (const content of damaged) {
          yield* fs.writeFileString(file, content)
          assert.isTrue(Option.isNone(yield* records.get(record.volumeId)), content)
          assert.isTrue(yield* records.has(record.volumeId), content)
        }
        yield* fs.writeFileString(`${file}.new`, "left by a crash")
        yield* records.put(record)
        assert.deepStrictEqual(yield* records.list, [record])
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
    ))

  it.live("a directory that cannot be written is an error that names it", () =>
    onDirectory((directory) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const records = yield* StageRecords
        yield* fs.remove(directory, { recursive: true })
        const error = yield* Effect.flip(records.put(recordOf("a")))
        assert.strictEqual(error._tag, "StageRecordFailed")
        assert.include(error.message, "cannot be written")
      })
    ))
})
