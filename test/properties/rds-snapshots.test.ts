import { assert } from "@effect/vitest"
import { Arbitrary, Effect, Option, Result, Schema } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import { writeImage } from "../../src/simulator/device/Images.ts"
import { withoutSlash } from "../../src/volume/PathRules.ts"
import { GiB, quietly, spec } from "../rds/Harness.ts"
import { type Break, eventually, hurried, startInProcess } from "../rds/InProcess.ts"
import { btrfs, cut, free, ofSnapshot, ofVolume, snapshotId } from "../rds/SnapshotKit.ts"

type Appliance = Effect.Success<ReturnType<typeof startInProcess>>

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const operations = ["create", "snapshot", "restore", "clone", "remove", "removeSnapshot", "grow"] as const

const Step = Schema.Struct({
  operation: Schema.Literals(["create", "snapshot", "snapshot", ...operations]),
  volume: between(0, 2),
  source: between(0, 2),
  snapshot: between(0, 1),
  gibibytes: between(1, 3),
  /** 0 to 5 leave a command alone, 6 cuts before it, 7 to 10 after so many changes, 11 when only the answer is left. */
  breaks: Schema.Array(between(0, 11)).check(Schema.isMaxLength(8)),
  /** What happens between a call whose outcome is not known, or whose copy runs, and the next. */
  meanwhile: Schema.Literals(["nothing", "nothing", "reboot", "write"]),
  givesUp: Schema.Boolean
})
type Step = typeof Step.Type

const toBreak = (n: number): Break => n < 6 ? "none" : n === 6 ? "before" : n === 11 ? "after" : n - 6

const volumeName = (n: number) => `volume ${n}`
const snapshotName = (n: number) => `snapshot ${n}`

/** What there must be: volumes and snapshots by their names, with what a guest wrote to them until they were cut. */
interface Volume {
  readonly content: string
  readonly sizeBytes: bigint
}
interface Snapshot extends Volume {
  readonly source: string
}
interface Model {
  readonly volumes: ReadonlyMap<string, Volume>
  readonly snapshots: ReadonlyMap<string, Snapshot>
}

const empty: Model = { volumes: new Map(), snapshots: new Map() }
const withVolume = ({ snapshots, volumes }: Model, name: string, volume: Volume): Model => ({
  snapshots,
  volumes: new Map(volumes).set(name, volume)
})
const without = <A>(map: ReadonlyMap<string, A>, name: string) => new Map([...map].filter(([key]) => key !== name))

const sizeOf = ({ gibibytes }: Step) => BigInt(gibibytes) * GiB

/** What the step makes of it, or the error that must answer it. */
const expected = (model: Model, step: Step): Result.Result<Model, RdsError["_tag"]> => {
  const { snapshots, volumes } = model
  const [name, source, cutName] = [volumeName(step.volume), volumeName(step.source), snapshotName(step.snapshot)]
  const present = volumes.get(name)
  const made = (content: Volume | undefined) => {
    if (present !== undefined) return Result.succeed(model)
    if (content === undefined) return Result.fail("SourceMissing" as const)
    if (content.sizeBytes > sizeOf(step)) return Result.fail("SourceTooLarge" as const)
    return Result.succeed(withVolume(model, name, { content: content.content, sizeBytes: sizeOf(step) }))
  }
  switch (step.operation) {
    case "create":
      return Result.succeed(
        present === undefined ? withVolume(model, name, { content: "", sizeBytes: sizeOf(step) }) : model
      )
    case "restore":
      return made(snapshots.get(cutName))
    case "clone":
      return made(volumes.get(source))
    case "snapshot": {
      const known = snapshots.get(cutName)
      const volume = volumes.get(source)
      if (known !== undefined) {
        return known.source === source
          ? Result.succeed(model)
          : Result.fail("MadeOfOther" as const)
      }
      if (volume === undefined) return Result.fail("SourceMissing" as const)
      return Result.succeed({ volumes, snapshots: new Map(snapshots).set(cutName, { ...volume, source }) })
    }
    case "remove":
      return Result.succeed({ snapshots, volumes: without(volumes, name) })
    case "removeSnapshot":
      return Result.succeed({ volumes, snapshots: without(snapshots, cutName) })
    case "grow":
      return Result.succeed(
        present === undefined || present.sizeBytes >= sizeOf(step)
          ? model
          : withVolume(model, name, { ...present, sizeBytes: sizeOf(step) })
      )
  }
}

/** One call; whether it is done, or goes on in the background. */
const call = ({ rds }: Appliance, step: Step): Effect.Effect<boolean, RdsError> => {
  const wanted = spec(volumeName(step.volume), { sizeBytes: sizeOf(step) })
  const [cutName, source] = [snapshotName(step.snapshot), volumeName(step.source)]
  switch (step.operation) {
    case "create":
      return Effect.as(rds.create(wanted), true)
    case "restore":
      return filled(rds.createFrom(wanted, ofSnapshot(cutName, sizeOf(step)), free))
    case "clone":
      return filled(rds.createFrom(wanted, ofVolume(source, sizeOf(step)), free))
    case "snapshot":
      return Effect.map(rds.snapshot(cut(cutName, source), free), ({ ready }) => ready)
    case "remove":
      return Effect.as(rds.remove(wanted.id), true)
    case "removeSnapshot":
      return Effect.as(rds.removeSnapshot(snapshotId(cutName)), true)
    case "grow":
      return Effect.as(rds.grow(wanted.id, wanted.sizeBytes), true)
  }
}

const filled = (made: Effect.Effect<unknown, RdsError>) =>
  made.pipe(Effect.as(true), Effect.catchTag("CopyRunning", () => Effect.succeed(false)))

/** The guests' view: only what is exported can be written. */
const write = Effect.fnUntraced(function*({ device, rds }: Appliance, model: Model, name: string, content: string) {
  const volume = Option.getOrUndefined(yield* rds.get(spec(name).id))
  const known = model.volumes.get(name)
  if (volume?.exported !== true || known === undefined) return model
  yield* writeImage(device, withoutSlash(volume.path), content)
  return withVolume(model, name, { ...known, content })
})

/** Exactly what the model has, with the content that it has; and while nothing runs, nothing else. */
const check = Effect.fnUntraced(function*({ device, jobs, rds }: Appliance, model: Model) {
  yield* eventually(Effect.map(jobs, (running) => running.length === 0))
  const volumes = yield* rds.list
  const ids = [...model.volumes.keys()].map((name) => spec(name).id).sort()
  assert.deepStrictEqual(volumes.map(({ id }) => id), ids)
  const snapshots = yield* rds.listSnapshots
  assert.deepStrictEqual(snapshots.map(({ id }) => id), [...model.snapshots.keys()].map(snapshotId).sort())
  const { disks, files, scripts, subvolumes } = yield* device.state
  const contentAt = (path: string) => files.find((file) => file.path === withoutSlash(path))?.contents
  for (const [name, { content, sizeBytes }] of model.volumes) {
    const volume = volumes.find(({ id }) => id === spec(name).id)
    assert.deepStrictEqual([volume?.sizeBytes, volume?.exported], [sizeBytes, true], name)
    assert.strictEqual(contentAt(volume?.path ?? ""), content, name)
  }
  for (const [name, { content, sizeBytes }] of model.snapshots) {
    const snapshot = snapshots.find(({ id }) => id === snapshotId(name))
    assert.deepStrictEqual([snapshot?.sizeBytes, snapshot?.ready], [sizeBytes, true], name)
    const image = files.find(({ directory, path }) =>
      !directory && path.includes(snapshotId(name)) && path.endsWith("img")
    )
    assert.strictEqual(image?.contents, content, name)
  }
  assert.deepStrictEqual(scripts, [])
  assert.strictEqual(disks.length, model.volumes.size)
  assert.isAtMost(subvolumes.length, model.volumes.size + model.snapshots.size)
  const plain = files.filter(({ directory }) => !directory).length
  assert.strictEqual(plain, model.volumes.size + 2 * model.snapshots.size, "images and records of snapshots")
})

/** Goes on as the orchestrator does until the step is done or refused; what there must be then. */
const runStep = Effect.fnUntraced(function*(appliance: Appliance, before: Model, step: Step) {
  let model = before
  let pending = false
  appliance.breaks.splice(0, Infinity, ...step.breaks.map(toBreak))
  for (let attempt = 0; attempt < 200; attempt++) {
    const result = yield* Effect.result(call(appliance, step))
    appliance.breaks.length = 0
    const wanted = expected(model, step)
    if (Result.isSuccess(result) && result.success) {
      return yield* Effect.succeed({ before: model, after: Result.getOrThrow(wanted), done: true })
    }
    if (Result.isFailure(result)) {
      const { _tag } = result.failure
      if (_tag !== "ApplianceUnavailable") {
        assert.deepStrictEqual(wanted, Result.fail(_tag), result.failure.message)
        return { before: model, after: model, done: true }
      }
    }
    if (!pending && step.meanwhile === "reboot") yield* appliance.reboot
    if (!pending && step.meanwhile === "write") model = yield* write(appliance, model, volumeName(step.source), "later")
    pending = true
    if (step.givesUp && attempt === 0) return { before: model, after: model, done: false }
  }
  return yield* Effect.die("a copy does not end")
})

/** What the orchestrator does about a call that it gives up: it takes back what may have been made. */
const takenBack = (step: Step): Step =>
  step.operation === "snapshot" || step.operation === "removeSnapshot"
    ? { ...step, operation: "removeSnapshot", breaks: [], givesUp: false, meanwhile: "nothing" }
    : { ...step, operation: "remove", breaks: [], givesUp: false, meanwhile: "nothing" }

/** A snapshot that was cut before the answer was lost holds what the volume held before it was written to again. */
const asCut = Effect.fnUntraced(function*({ device }: Appliance, before: Model, model: Model, step: Step) {
  const name = snapshotName(step.snapshot)
  const snapshot = model.snapshots.get(name)
  const earlier = before.volumes.get(volumeName(step.source))
  if (step.operation !== "snapshot" || before.snapshots.has(name) || !snapshot || !earlier) return model
  const { files } = yield* device.state
  const image = files.find(({ directory, path }) =>
    !directory && path.includes(snapshotId(name)) && path.endsWith("img")
  )
  if (image?.contents !== earlier.content) return model
  return { ...model, snapshots: new Map(model.snapshots).set(name, { ...snapshot, content: earlier.content }) }
})

const story = Effect.fnUntraced(function*(appliance: Appliance, steps: ReadonlyArray<Step>) {
  let model = empty
  for (const [i, step] of steps.entries()) {
    const begun = model
    const outcome = yield* runStep(appliance, begun, step)
    const settled = outcome.done ? outcome : yield* runStep(appliance, outcome.before, takenBack(step))
    model = yield* asCut(appliance, begun, settled.after, step)
    yield* check(appliance, model)
    model = yield* write(appliance, model, volumeName(step.volume), `written ${i}`)
  }
  for (const name of model.volumes.keys()) yield* appliance.rds.remove(spec(name).id)
  for (const name of model.snapshots.keys()) yield* appliance.rds.removeSnapshot(snapshotId(name))
  yield* check(appliance, empty)
})

/** With how many stories each; copies take their time. */
const devices = [
  { name: "a pool with Btrfs", device: btrfs, runs: 40 },
  { name: "a pool without", device: { copyRate: GiB }, runs: 15 }
]

/** More of both, for a longer look. */
const factor = Number(process.env["RDS_CSI_SNAPSHOT_RUNS_FACTOR"] ?? 1)

quietly("snapshots, restored volumes and clones on an appliance whose connections break and that restarts", (it) => {
  for (const { device, name, runs } of devices) {
    it.effect.prop(
      `on ${name} nothing leaks, and all hold what was there at the cut`,
      [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 8 })],
      ([steps]) =>
        Effect.flatMap(startInProcess(device), (appliance) => story(appliance, steps)).pipe(Effect.scoped, hurried),
      { arbitrary: { runs: runs * factor }, timeout: 120_000 * factor }
    )
  }
})
