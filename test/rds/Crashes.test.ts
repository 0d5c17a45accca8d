import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import type { RdsClient } from "../../src/rds/RdsClient.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { each } from "../support/Thorough.ts"
import { base, connect, GiB, holdings, path, quietly, spec, start } from "./Harness.ts"

type Client = RdsClient["Service"]
type Made = Effect.Effect<unknown, RdsError>

interface Operation {
  readonly name: string
  readonly prepare: (rds: Client, simulator: Simulator, name: string) => Made
  readonly run: (rds: Client, name: string) => Made
  /** How many changes of the appliance it makes, all in the one command that matches `changing`. */
  readonly steps: number
  readonly changing: string
  /** Execs it needs when nothing breaks. */
  readonly execs: number
}

const nothing = () => Effect.void
const elsewhere = path(`${base}/fast lane`)

const operations: ReadonlyArray<Operation> = [
  {
    name: "create",
    prepare: nothing,
    run: (rds, name) => rds.create(spec(name)),
    steps: 2,
    changing: "/disk/add",
    execs: 1
  },
  {
    name: "create in a new directory",
    prepare: nothing,
    run: (rds, name) => rds.create(spec(name, { directory: path(`${base}/${spec(name).id}/deep`) })),
    steps: 6,
    changing: "type=directory",
    execs: 3
  },
  {
    name: "create over a smaller leftover",
    prepare: (rds, simulator, name) =>
      Effect.flatMap(rds.create(spec(name)), ({ slot }) => simulator.run(`/disk remove ${slot}`)),
    run: (rds, name) => rds.create(spec(name, { sizeBytes: 2n * GiB })),
    steps: 3,
    changing: "size<",
    execs: 3
  },
  {
    name: "create of what is not exported",
    prepare: (rds, simulator, name) =>
      Effect.flatMap(rds.create(spec(name)), ({ slot }) => simulator.run(`/disk set ${slot} nvme-tcp-export=no`)),
    run: (rds, name) => rds.create(spec(name)),
    steps: 1,
    changing: "/disk/set",
    execs: 1
  },
  {
    name: "grow",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.grow(spec(name).id, 7n * GiB),
    steps: 1,
    changing: "/disk/set",
    execs: 1
  },
  {
    name: "remove",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.remove(spec(name).id),
    steps: 3,
    changing: "/disk/remove",
    execs: 2
  },
  {
    name: "remove in another directory",
    prepare: (rds, _, name) => rds.create(spec(name, { directory: elsewhere })),
    run: (rds, name) => rds.remove(spec(name).id),
    steps: 5,
    changing: "/disk/remove",
    execs: 2
  }
]

/** One break at every moment of the operation on that volume: before, after, and between any two changes. */
const breaksOf = ({ changing, execs, steps }: Operation) => (id: VolumeId) => [
  ...Array.from({ length: execs }, (_, i) => ({ cut: "cut=before", at: `match=${id} nth=${i + 1}` })),
  ...Array.from(
    { length: steps },
    (_, i) => ({ cut: `cut=during step=${i + 1}`, at: `match=^(?=.*${id}).*${changing}` })
  ),
  ...Array.from({ length: execs }, (_, i) => ({ cut: "cut=after", at: `match=${id} nth=${i + 1}` }))
]

/** What is there of one volume, or what was answered about it, in a form that is the same for every volume. */
const anonymous = (value: unknown, id: VolumeId) =>
  JSON.stringify(value, (_, part: unknown) => typeof part === "bigint" ? `${part}n` : part)
    ?.replaceAll(id, "ID").replaceAll(VolumeId.slot(id), "SLOT")

const contents = (simulator: Simulator, id: VolumeId) =>
  Effect.map(holdings(simulator), ({ disks, files }) =>
    anonymous([
      disks.filter((disk) => disk.filePath.includes(id)).map(({ id: _, ...disk }) => disk),
      files.filter((file) => file.path.includes(id) && !file.directory).map(({ id: _, ...file }) => file)
    ], id))

const execsOn = ({ execs }: Simulator, id: VolumeId) =>
  Effect.map(execs, (records) => records.filter(({ line }) => line.includes(id)))

quietly("a connection that is cut at any moment", (it) => {
  for (const operation of operations) {
    it.effect(`${operation.name}: the call itself, or a later process, ends in the same state`, () =>
      Effect.gen(function*() {
        const { rds, simulator, target } = yield* start({
          directories: ["storage-pool/metal-csi", "storage-pool/metal-csi/fast lane"]
        })
        const later = yield* connect(target)
        const prepared = Effect.fnUntraced(function*(name: string) {
          yield* operation.prepare(rds, simulator, name)
          return { id: spec(name).id, before: (yield* execsOn(simulator, spec(name).id)).length }
        })

        const first = yield* prepared("undisturbed")
        const answer = anonymous(yield* operation.run(rds, "undisturbed"), first.id)
        const expected = yield* contents(simulator, first.id)
        assert.strictEqual((yield* execsOn(simulator, first.id)).length - first.before, operation.execs)

        const breakAt = Effect.fnUntraced(function*(i: number) {
          const once = yield* prepared(`once ${i}`)
          const fault = breaksOf(operation)(once.id)[i]
          yield* simulator.faults.add(`${fault?.cut} ${fault?.at}`)
          assert.strictEqual(anonymous(yield* operation.run(rds, `once ${i}`), once.id), answer, fault?.cut)
          assert.strictEqual(yield* contents(simulator, once.id), expected, fault?.cut)
          assert.strictEqual((yield* execsOn(simulator, once.id)).filter(({ outcome }) => outcome === "cut").length, 1)

          const crashed = yield* prepared(`crashed ${i}`)
          const same = breaksOf(operation)(crashed.id)[i]
          yield* simulator.faults.add(`${same?.cut} ${same?.at}`)
          yield* simulator.faults.add(`cut=before ${same?.at} count=4`)
          assert.deepInclude(yield* Effect.flip(operation.run(rds, `crashed ${i}`)), { reason: "lost" })
          assert.strictEqual(anonymous(yield* operation.run(later, `crashed ${i}`), crashed.id), answer, same?.cut)
          assert.strictEqual(yield* contents(simulator, crashed.id), expected, same?.cut)
        })
        yield* Effect.forEach(each(3, [...breaksOf(operation)(first.id).keys()]), breakAt, { concurrency: 8 })
      }))
  }
})
