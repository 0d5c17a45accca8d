import { assert } from "@effect/vitest"
import { Arbitrary, Effect, Option, Schema } from "effect"
import { imagePath, type VolumePath, withoutSlash } from "../../src/volume/PathRules.ts"
import type { VolumeId } from "../../src/volume/VolumeId.ts"
import { base, GiB, path, quietly, spec } from "../rds/Harness.ts"
import { type Break, hurried, startInProcess } from "../rds/InProcess.ts"

/** How many stories are played; CI plays more than a developer waits for. */
const runs = Number(process.env["RDS_CSI_VOLUME_RUNS"] ?? 100)

type Appliance = Effect.Success<ReturnType<typeof startInProcess>>

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** 0 to 4 leave the command alone, 5 cuts before it, 6 to 10 after so many changes, 11 when only the answer is left. */
const toBreak = (n: number): Break => n < 5 ? "none" : n === 5 ? "before" : n === 11 ? "after" : n - 5

const Step = Schema.Struct({
  operation: Schema.Literals(["create", "create", "remove", "grow", "get", "list"]),
  volume: between(0, 2),
  gibibytes: between(1, 4),
  elsewhere: Schema.Boolean,
  breaks: Schema.Array(between(0, 11)).check(Schema.isMaxLength(6)),
  /** What the orchestrator does about a call whose outcome it does not know: the same again, or delete. */
  givesUp: Schema.Boolean
})
type Step = typeof Step.Type

interface Expected {
  readonly sizeBytes: bigint
  readonly path: VolumePath
}

const directories = { here: base, elsewhere: path(`${base}/else where`) }

const specOf = (step: Step) =>
  spec(`volume ${step.volume}`, {
    sizeBytes: BigInt(step.gibibytes) * GiB,
    directory: step.elsewhere ? directories.elsewhere : directories.here
  })

/** What must be there after a step that succeeded, and what it must have answered. */
const after = (model: ReadonlyMap<VolumeId, Expected>, step: Step) => {
  const { directory, id, sizeBytes } = specOf(step)
  const next = new Map(model)
  const found = model.get(id)
  if (step.operation === "create" && found === undefined) next.set(id, { sizeBytes, path: imagePath(directory, id) })
  if (step.operation === "grow" && found !== undefined && found.sizeBytes < sizeBytes) {
    next.set(id, { ...found, sizeBytes })
  }
  if (step.operation === "remove") next.delete(id)
  return next
}

const perform = ({ rds }: Appliance, step: Step) => {
  const wanted = specOf(step)
  switch (step.operation) {
    case "create":
      return Effect.map(rds.create(wanted), Array.of)
    case "grow":
      return Effect.map(rds.grow(wanted.id, wanted.sizeBytes), Option.toArray)
    case "get":
      return Effect.map(rds.get(wanted.id), Option.toArray)
    case "list":
      return rds.list
    case "remove":
      return Effect.as(rds.remove(wanted.id), [])
  }
}

const answerOf = (model: ReadonlyMap<VolumeId, Expected>, step: Step) => {
  const entries = [...model].map(([id, expected]) => ({ id, ...expected })).sort((a, b) => a.id < b.id ? -1 : 1)
  return step.operation === "remove"
    ? []
    : step.operation === "list"
    ? entries
    : entries.filter(({ id }) => id === specOf(step).id)
}

/** Exactly the volumes of the model, and no other item or file. */
const checkHoldings = Effect.fnUntraced(function*({ device }: Appliance, model: ReadonlyMap<VolumeId, Expected>) {
  const { disks, files } = yield* device.state
  const images = [...model.values()].map((expected) => withoutSlash(expected.path)).sort()
  assert.deepStrictEqual(disks.map((disk) => withoutSlash(disk.filePath)).sort(), images)
  assert.deepStrictEqual(files.filter((file) => !file.directory).map((file) => file.path).sort(), images)
  assert.isTrue(disks.every((disk) => disk.exported && !disk.mountFilesystem))
})

const runStep = Effect.fnUntraced(
  function*(appliance: Appliance, model: ReadonlyMap<VolumeId, Expected>, step: Step, breaks: ReadonlyArray<Break>) {
    appliance.breaks.splice(0, Infinity, ...breaks)
    const result = yield* Effect.result(perform(appliance, step))
    appliance.breaks.length = 0
    if (result._tag === "Failure") {
      assert.deepInclude(result.failure, { _tag: "ApplianceUnavailable", reason: "lost" })
      return Option.none()
    }
    const next = after(model, step)
    const seen = result.success.map(({ id, path, sizeBytes }) => ({ id, sizeBytes, path }))
    assert.deepStrictEqual(seen, answerOf(next, step))
    yield* checkHoldings(appliance, next)
    return Option.some(next)
  }
)

quietly("volumes on an appliance whose connections break", (it) => {
  it.effect.prop(
    "whatever the calls and the cuts, nothing leaks and no answer is wrong",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 5 })],
    ([steps]) =>
      Effect.gen(function*() {
        const appliance = yield* startInProcess()
        let model: ReadonlyMap<VolumeId, Expected> = new Map()
        for (const step of steps) {
          const outcome = yield* runStep(appliance, model, step, step.breaks.map(toBreak))
          // A read changes nothing; after a lost change the orchestrator repeats it, or deletes the volume.
          const again: Step = step.givesUp && (step.operation === "create" || step.operation === "grow")
            ? { ...step, operation: "remove" }
            : step
          model = Option.isSome(outcome)
            ? outcome.value
            : Option.getOrThrow(yield* runStep(appliance, model, again, []))
        }
        for (const id of model.keys()) yield* appliance.rds.remove(id)
        yield* checkHoldings(appliance, new Map())
      }).pipe(Effect.scoped, hurried),
    { arbitrary: { runs }, timeout: 20_000 + 500 * runs }
  )
})
