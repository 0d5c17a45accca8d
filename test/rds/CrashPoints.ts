import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import type { RdsClient } from "../../src/rds/RdsClient.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { connect, holdings, spec, start } from "./Harness.ts"

type Client = RdsClient["Service"]
type Made = Effect.Effect<unknown, RdsError>

/** Something that the driver does with the volume of a name. */
export interface Operation {
  readonly name: string
  readonly prepare: (rds: Client, simulator: Simulator, name: string) => Made
  readonly run: (rds: Client, name: string) => Made
  /** Its commands that change the appliance: what each of them matches, and how many changes it makes. */
  readonly changes: ReadonlyArray<{ readonly matching: string; readonly steps: number }>
  /** Execs it needs when nothing breaks. */
  readonly execs: number
  /** What its commands name; the volume unless something else is said. */
  readonly named?: (name: string) => string
}

/** The ids that an operation's volumes and snapshots may have, by the name it works with. */
const idsOf = (name: string): ReadonlyArray<string> => [
  spec(name).id,
  spec(`${name}, made of it`).id,
  SnapshotId.fromName(name)
]

const keyOf = ({ named }: Operation, name: string) => named === undefined ? spec(name).id : named(name)

/** One break at every moment of the operation: before, after, and between any two changes. */
const breaksOf = ({ changes, execs }: Operation) => (key: string) => [
  ...Array.from({ length: execs }, (_, i) => ({ cut: "cut=before", at: `match=${key} nth=${i + 1}` })),
  ...changes.flatMap(({ matching, steps }) =>
    Array.from({ length: steps }, (_, i) => ({
      cut: `cut=during step=${i + 1}`,
      at: `match=^(?=.*${key}).*${matching}`
    }))
  ),
  ...Array.from({ length: execs }, (_, i) => ({ cut: "cut=after", at: `match=${key} nth=${i + 1}` }))
]

/** Properties that tell when and in which order something was made. */
const incidental = new Set(["id", "createdAt", "created", "sharedWith", "source"])

/** What is there, or what was answered, in a form that is the same for every name and time. */
const anonymous = (value: unknown, name: string) => {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (incidental.has(key) && typeof part === "number") return undefined
    return typeof part === "bigint" ? `${part}n` : part
  }) ?? ""
  return idsOf(name).reduce(
    (rest, id, i) => rest.replaceAll(id, `ID${i}`).replaceAll(VolumeId.slot(VolumeId.fromName(id)), `SLOT${i}`),
    text.replaceAll(/time=\d+/g, "")
  )
}

/** The items in an order that does not depend on their names, each with its properties in order. */
const inOrder = (items: ReadonlyArray<object>, name: string) =>
  items.map((item) => anonymous(Object.fromEntries(Object.entries(item).sort(byKey)), name)).sort()

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => a < b ? -1 : 1

const contents = Effect.fnUntraced(function*(simulator: Simulator, name: string) {
  const { disks, files } = yield* holdings(simulator)
  const subvolumes = yield* simulator.device.subvolumes
  const isOurs = (path: string) => idsOf(name).some((id) => path.includes(id))
  const isOwnDirectory = (path: string) => subvolumes.some((subvolume) => subvolume.path === path)
  return [
    inOrder(disks.filter((disk) => isOurs(disk.filePath)), name),
    inOrder(files.filter((file) => isOurs(file.path) && (!file.directory || isOwnDirectory(file.path))), name),
    inOrder(subvolumes.filter((subvolume) => isOurs(subvolume.path)), name)
  ]
})

const execsOn = ({ execs }: Simulator, key: string) =>
  Effect.map(execs, (records) => records.filter(({ line }) => line.includes(key)))

/** The call itself, or a later process, ends in the same state, wherever the connection is cut. */
export const endsTheSame = Effect.fnUntraced(function*(operation: Operation, options: SimulatorOptions = {}) {
  const { rds, simulator, target } = yield* start({
    directories: ["storage-pool/metal-csi", "storage-pool/metal-csi/fast lane"],
    ...options
  })
  const later = yield* connect(target)
  const prepared = Effect.fnUntraced(function*(name: string) {
    yield* operation.prepare(rds, simulator, name)
    const key = keyOf(operation, name)
    return { key, before: (yield* execsOn(simulator, key)).length }
  })

  const first = yield* prepared("undisturbed")
  const answer = anonymous(yield* operation.run(rds, "undisturbed"), "undisturbed")
  const expected = yield* contents(simulator, "undisturbed")
  assert.strictEqual((yield* execsOn(simulator, first.key)).length - first.before, operation.execs)

  const breakAt = Effect.fnUntraced(function*(i: number) {
    const [once, crashed] = [`once ${i}`, `crashed ${i}`]
    const { key } = yield* prepared(once)
    const fault = breaksOf(operation)(key)[i]
    const label = `${fault?.cut} ${i}`
    yield* simulator.faults.add(`${fault?.cut} ${fault?.at}`)
    assert.strictEqual(anonymous(yield* operation.run(rds, once), once), answer, label)
    assert.deepStrictEqual(yield* contents(simulator, once), expected, label)
    assert.strictEqual((yield* execsOn(simulator, key)).filter(({ outcome }) => outcome === "cut").length, 1, label)

    const same = breaksOf(operation)((yield* prepared(crashed)).key)[i]
    yield* simulator.faults.add(`${same?.cut} ${same?.at}`)
    yield* simulator.faults.add(`cut=before ${same?.at} count=4`)
    assert.deepInclude(yield* Effect.flip(operation.run(rds, crashed)), { reason: "lost" })
    assert.strictEqual(anonymous(yield* operation.run(later, crashed), crashed), answer, label)
    assert.deepStrictEqual(yield* contents(simulator, crashed), expected, label)
  })
  yield* Effect.forEach(breaksOf(operation)(first.key).keys(), breakAt, { concurrency: 8 })
})
