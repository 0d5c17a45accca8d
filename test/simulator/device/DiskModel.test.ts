import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { Simulator } from "../../../src/simulator/Simulator.ts"

const mib = 1n << 20n

const Name = Schema.Literals(["a", "b", "c"])
const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))
const Op = Schema.Union([
  Schema.Struct({ op: Schema.Literal("add"), slot: Name, file: Name, nqn: Name, mib: Size }),
  Schema.Struct({ op: Schema.Literal("attach"), slot: Name, file: Name }),
  Schema.Struct({ op: Schema.Literal("grow"), slot: Name, mib: Size }),
  Schema.Struct({ op: Schema.Literal("export"), slot: Name, on: Schema.Boolean }),
  Schema.Struct({ op: Schema.Literal("remove"), slot: Name }),
  Schema.Struct({ op: Schema.Literal("remove-file"), file: Name })
])
type Op = typeof Op.Type

const line = (op: Op) => {
  switch (op.op) {
    case "add":
      return `/disk/add type=file slot=${op.slot} file-path=/pool/${op.file} file-size=${op.mib}M ` +
        `nvme-tcp-export=yes nvme-tcp-server-nqn=nqn.${op.nqn}`
    case "attach":
      return `/disk/add type=file slot=${op.slot} file-path=/pool/${op.file}`
    case "grow":
      return `/disk/set [find slot=${op.slot}] file-size=${op.mib}M`
    case "export":
      return `/disk/set [find slot=${op.slot}] nvme-tcp-export=${op.on ? "yes" : "no"}`
    case "remove":
      return `/disk/remove [find slot=${op.slot}]`
    case "remove-file":
      return `/file/remove [find name="pool/${op.file}"]`
  }
}

interface Item {
  readonly file: string
  readonly nqn: string
  readonly exported: boolean
}

/** What the manual says a device holds after each command; answers whether the command fails. */
class Model {
  readonly files = new Map<string, bigint>()
  readonly items = new Map<string, Item>()
  readonly capacity = 15n

  run(op: Op): boolean {
    switch (op.op) {
      case "add":
        if (this.items.has(op.slot) || this.files.has(op.file) || BigInt(op.mib) > this.free()) return true
        this.files.set(op.file, BigInt(op.mib))
        this.items.set(op.slot, { file: op.file, nqn: `nqn.${op.nqn}`, exported: false })
        return this.export(op.slot)
      case "attach":
        if (this.items.has(op.slot) || this.isBusy(op.file) || !this.files.has(op.file)) return true
        this.items.set(op.slot, { file: op.file, nqn: `nqn.2000-02.com.mikrotik:${op.slot}`, exported: false })
        return false
      case "grow": {
        const item = this.items.get(op.slot)
        if (item === undefined) return false
        const size = this.files.get(item.file) ?? 0n
        if (BigInt(op.mib) < size || BigInt(op.mib) - size > this.free()) return true
        this.files.set(item.file, BigInt(op.mib))
        return false
      }
      case "export": {
        const item = this.items.get(op.slot)
        if (item === undefined) return false
        if (op.on) return this.export(op.slot)
        this.items.set(op.slot, { ...item, exported: false })
        return false
      }
      case "remove":
        this.items.delete(op.slot)
        return false
      case "remove-file":
        if (this.isBusy(op.file)) return this.files.has(op.file)
        this.files.delete(op.file)
        return false
    }
  }

  free() {
    return [...this.files.values()].reduce((free, size) => free - size, this.capacity)
  }

  private isBusy(file: string) {
    return [...this.items.values()].some((item) => item.file === file)
  }

  private export(slot: string): boolean {
    const item = this.items.get(slot)
    if (item === undefined) return false
    const rival = [...this.items].some(([other, { exported, nqn }]) => other !== slot && exported && nqn === item.nqn)
    if (!rival) this.items.set(slot, { ...item, exported: true })
    return rival
  }
}

it.layer(NodeServices.layer)("any sequence of commands", (it) => {
  it.effect.prop(
    "leaves what a model of the manual says, with every byte accounted for, also after a restart",
    { ops: Schema.Array(Op).check(Schema.isMinLength(25), Schema.isMaxLength(40)), restart: Schema.Boolean },
    ({ ops, restart }) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const stateDirectory = restart ? { stateDirectory: yield* fs.makeTempDirectoryScoped() } : {}
        // Of the size 7 in a thousand are the file system's own.
        const sizeBytes = 15n * mib * 1000n / 993n + 1n
        const pools = [
          { slot: "pool", mountPoint: "pool", sizeBytes, fs: "xfs", state: "clean", mounted: true } as const
        ]
        const config = Simulator.config({ pools, directories: [], ...stateDirectory })
        const model = new Model()
        yield* Effect.scoped(Effect.gen(function*() {
          const simulator = yield* Simulator.start(config)
          for (const op of ops) {
            const output = yield* simulator.run(line(op))
            assert.strictEqual(output.startsWith("failure: "), model.run(op), `${line(op)} answered ${output}`)
          }
          yield* check(simulator, model)
        }))
        if (restart) yield* check(yield* Simulator.start(config), model)
      }),
    { arbitrary: { runs: 60 } }
  )
})

const check = Effect.fnUntraced(function*(simulator: Simulator, model: Model) {
  const disks = yield* simulator.device.disks
  const files = yield* simulator.device.files
  const [pool] = yield* simulator.device.pools
  const sizes = new Map(files.map((file) => [file.path.replace("pool/", ""), file.sizeBytes / mib]))
  assert.deepStrictEqual(sizes, new Map([...model.files].sort(([a], [b]) => a < b ? -1 : 1)))
  const items = disks.map(({ exported, filePath, nqn, slot }) => [
    slot,
    { file: filePath.replace("/pool/", ""), nqn: nqn === "" ? `nqn.2000-02.com.mikrotik:${slot}` : nqn, exported }
  ])
  assert.deepStrictEqual(Object.fromEntries(items), Object.fromEntries(model.items))
  assert.strictEqual((pool?.freeBytes ?? 0n) / mib, model.free())
  const exported = [...model.items.values()].filter((item) => item.exported).map(({ nqn }) => nqn)
  assert.sameMembers((yield* simulator.device.exports).map(({ nqn }) => nqn), exported)
})
