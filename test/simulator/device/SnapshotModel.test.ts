import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Simulator } from "../../../src/simulator/Simulator.ts"
import { addSubvolume, btrfsDevice } from "../support/Btrfs.ts"

const mib = 1n << 20n

const Name = Schema.Literals(["a", "b", "c", "d"])
const Op = Schema.Union([
  Schema.Struct({ op: Schema.Literal("add"), name: Name }),
  Schema.Struct({ op: Schema.Literal("write"), name: Name, text: Schema.Int }),
  Schema.Struct({ op: Schema.Literal("snapshot"), of: Name, name: Name, readOnly: Schema.Boolean }),
  Schema.Struct({ op: Schema.Literal("copy"), of: Name, name: Name }),
  Schema.Struct({ op: Schema.Literal("remove"), name: Name })
])
type Op = typeof Op.Type

const image = (name: string) => `pool/vols/${name}/disk.img`

interface Volume {
  readonly readOnly: boolean
  readonly content: string
  /** Whose blocks it shares. */
  readonly blocks: number
}

/** What Btrfs promises of subvolumes with one image each. An operation that is refused changes nothing. */
class Model {
  readonly volumes = new Map<string, Volume>()
  private made = 0

  run(op: Op): void {
    const volume = this.volumes.get(op.name)
    const source = "of" in op ? this.volumes.get(op.of) : undefined
    if (op.op === "remove") this.volumes.delete(op.name)
    else if (op.op === "write" && volume?.readOnly === false) {
      this.volumes.set(op.name, { ...volume, content: String(op.text) })
    } else if (op.op === "add" && volume === undefined) this.add(op.name, "")
    else if (op.op === "copy" && volume === undefined && source !== undefined) this.add(op.name, source.content)
    else if (op.op === "snapshot" && volume === undefined && source !== undefined) {
      this.volumes.set(op.name, { ...source, readOnly: op.readOnly })
    }
  }

  private add(name: string, content: string) {
    this.made += 1
    this.volumes.set(name, { readOnly: false, content, blocks: this.made })
  }
}

const run = (simulator: Simulator, op: Op): Effect.Effect<unknown> => {
  switch (op.op) {
    case "add":
      return simulator.run(
        `${addSubvolume(op.name)}; /disk/add type=file slot=x file-path=${image(op.name)} file-size=1M; /disk/remove x`
      )
    case "write":
      return Effect.ignore(simulator.device.writeImage(image(op.name), String(op.text)))
    case "snapshot":
      return simulator.run(addSubvolume(op.name, `parent=vols/${op.of} read-only=${op.readOnly ? "yes" : "no"}`))
    case "copy":
      return simulator.run(
        `:if ([:len [/file/find where name="${image(op.of)}"]] > 0) do={ ${addSubvolume(op.name)}; ` +
          `/file/copy ${image(op.of)} name=${image(op.name)} }`
      )
    case "remove":
      return simulator.run(`/disk/btrfs/subvolume/remove [find where name=${op.name}]`)
  }
}

it.effect.prop(
  "any sequence of writes, snapshots, copies and removals leaves in each image what was written to it or its source by then",
  { ops: Schema.Array(Op).check(Schema.isMinLength(10), Schema.isMaxLength(30)) },
  ({ ops }) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      const [empty] = yield* simulator.device.pools
      const model = new Model()
      for (const op of ops) {
        yield* run(simulator, op)
        model.run(op)
      }
      const files = yield* simulator.device.files
      const contents = new Map(
        files.filter(({ directory }) => !directory).map(({ contents, path }) => [path, contents])
      )
      const expected = [...model.volumes].map(([name, { content }]) => [image(name), content] as const)
      assert.deepStrictEqual(contents, new Map(expected.sort(([a], [b]) => a < b ? -1 : 1)))
      const [pool] = yield* simulator.device.pools
      const blocks = new Set([...model.volumes.values()].map((volume) => volume.blocks))
      assert.strictEqual((empty?.freeBytes ?? 0n) - (pool?.freeBytes ?? 0n), BigInt(blocks.size) * mib)
    }),
  { arbitrary: { runs: 60 } }
)
