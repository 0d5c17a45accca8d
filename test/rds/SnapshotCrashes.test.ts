import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import type { RdsClient } from "../../src/rds/RdsClient.ts"
import type { SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { each, isThorough } from "../support/Thorough.ts"
import { GiB, quietly, spec } from "./Harness.ts"
import { type Break, eventually, hurried, startInProcess } from "./InProcess.ts"
import { btrfs, cut, free, ofSnapshot, ofVolume, snapshotId } from "./SnapshotKit.ts"

type Client = RdsClient["Service"]
type Made = Effect.Effect<unknown, RdsError>
type Appliance = Effect.Success<ReturnType<typeof startInProcess>>

interface Operation {
  readonly name: string
  readonly device: SimulatorOptions
  readonly prepare: (rds: Client) => Made
  readonly run: (rds: Client) => Made
  /** The most changes of the appliance that one of its commands makes. */
  readonly steps: number
  /** How often more a command is cut, after the first time; only of those that take long. */
  readonly tries?: ReadonlyArray<number>
}

const create = (rds: Client) => rds.create(spec("a"))
const snapshot = (rds: Client) => rds.snapshot(cut("s", "a"), free)

/** Until it is ready, and once more, which tidies up. */
const copied = (rds: Client) =>
  Effect.andThen(Effect.repeat(snapshot(rds), { until: ({ ready }) => ready }), snapshot(rds))

const restore = (rds: Client) => rds.createFrom(spec("b", { sizeBytes: 2n * GiB }), ofSnapshot("s"), free)
const clone = (rds: Client) => rds.createFrom(spec("b"), ofVolume("a"), free)

/** Until it is there. */
const whole = (made: Effect.Effect<unknown, RdsError>) =>
  Effect.retry(made, { while: (error) => error._tag === "CopyRunning", schedule: Schedule.spaced("5 seconds") })

const operations: ReadonlyArray<Operation> = [
  { name: "create in a subvolume", device: btrfs, prepare: () => Effect.void, run: create, steps: 4 },
  { name: "remove with a subvolume", device: btrfs, prepare: create, run: (rds) => rds.remove(spec("a").id), steps: 4 },
  { name: "snapshot", device: btrfs, prepare: create, run: snapshot, steps: 2 },
  {
    name: "remove a snapshot",
    device: btrfs,
    prepare: (rds) => Effect.andThen(create(rds), snapshot(rds)),
    run: (rds) => rds.removeSnapshot(snapshotId("s")),
    steps: 2
  },
  {
    name: "restore to a larger volume",
    device: btrfs,
    prepare: (rds) => Effect.andThen(create(rds), snapshot(rds)),
    run: restore,
    steps: 4
  },
  { name: "clone", device: btrfs, prepare: create, run: clone, steps: 3 },
  { name: "snapshot by copy", device: {}, prepare: create, run: copied, steps: 3, tries: [3] },
  {
    name: "remove a snapshot by copy",
    device: {},
    prepare: (rds) => Effect.andThen(create(rds), copied(rds)),
    run: (rds) => rds.removeSnapshot(snapshotId("s")),
    steps: 2
  },
  {
    name: "restore to a larger volume by copy",
    device: {},
    prepare: (rds) => Effect.andThen(create(rds), copied(rds)),
    run: (rds) => whole(restore(rds)),
    steps: 4,
    tries: [3]
  },
  { name: "clone by copy", device: {}, prepare: create, run: (rds) => whole(clone(rds)), steps: 3, tries: [3] }
]

/** Properties that tell when and in which order something was made. */
const incidental = new Set(["id", "createdAt", "created", "lastModified", "sharedWith", "source"])

const timeless = (value: unknown) => {
  const text = JSON.stringify(value ?? null, (key, part: unknown) => {
    if (incidental.has(key) && typeof part === "number") return undefined
    return typeof part === "bigint" ? `${part}n` : part
  })
  const parsed: unknown = JSON.parse(text.replaceAll(/time=\d+/g, ""))
  return parsed
}

const byName = (a: { readonly path?: string; readonly slot?: string }, b: typeof a) =>
  (a.path ?? a.slot ?? "") < (b.path ?? b.slot ?? "") ? -1 : 1

/** Everything there is, once no job runs any more. */
const contents = Effect.fnUntraced(function*({ device, jobs }: Appliance) {
  yield* eventually(Effect.map(jobs, (running) => running.length === 0))
  const { disks, files, scripts, subvolumes } = yield* device.state
  return timeless([disks.toSorted(byName), files.toSorted(byName), scripts, subvolumes.toSorted(byName)])
})

/** Runs the operation while its commands are broken off so; what is there in the end, and how many breaks were met. */
const disturbed = Effect.fnUntraced(function*({ device, prepare, run }: Operation, breaks: ReadonlyArray<Break>) {
  const appliance = yield* startInProcess(device)
  const { rds } = appliance
  yield* prepare(rds)
  appliance.breaks.push(...breaks)
  const first = yield* Effect.result(run(rds))
  const met = breaks.length - appliance.breaks.length
  appliance.breaks.length = 0
  if (first._tag === "Failure") assert.deepInclude(first.failure, { reason: "lost" })
  const answer = first._tag === "Success" ? first.success : yield* run(rds)
  return { answer: timeless(answer), contents: yield* contents(appliance), met }
}, Effect.scoped)

/** How often more a command is cut: CI tries more than a developer waits for. */
const triesOf = ({ tries = [0, 3] }: Operation) => isThorough ? tries : [3]

const calm: ReadonlyArray<Break> = Array.from({ length: 100 }, () => "none")

quietly("a connection that is cut at any moment of a snapshot's life", (it) => {
  for (const operation of operations) {
    it.effect(
      `${operation.name}: the call itself, or a later one, ends in the same state`,
      () =>
        Effect.gen(function*() {
          const expected = yield* disturbed(operation, calm)
          const moments: ReadonlyArray<Break> = [
            "before",
            ...Array.from({ length: operation.steps }, (_, i) => i + 1),
            "after"
          ]
          const cuts = calm.slice(0, expected.met).flatMap((_, exec) => moments.map((moment) => ({ exec, moment })))
          for (const { exec, moment } of each(5, cuts)) {
            // Once, so that the client itself repeats it; and as often as the client tries, as a crash would have it.
            for (const again of triesOf(operation)) {
              const breaks = [
                ...calm.slice(0, exec),
                moment,
                ...Array.from({ length: again }, () => "before" as const)
              ]
              const label = `${moment} in exec ${exec}, ${again === 0 ? "once" : "for good"}`
              const seen = yield* disturbed(operation, breaks)
              assert.deepStrictEqual(seen.contents, expected.contents, label)
              assert.deepStrictEqual(seen.answer, expected.answer, label)
            }
          }
        }).pipe(hurried),
      60_000
    )
  }
})
