import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Clock, Duration, Effect, Exit, Option, Schema, Scope, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { settle } from "../attachment/simulation/Controller.ts"
import { idOf, startWorld } from "../orphans/World.ts"
import { base } from "../rds/Harness.ts"
import { capturedLogs } from "../support/CapturedLogs.ts"

const runs = Number(process.env["RDS_CSI_ORPHAN_RUNS"] ?? 10)

type World = Effect.Success<typeof startWorld>

/** A pass a minute, and three minutes of grace. */
const times = { interval: Duration.minutes(1), gracePeriod: Duration.minutes(3) }
const graceMinutes = 3

const Step = Schema.Struct({
  does: Schema.Literals([
    "create",
    "create by Go",
    "create elsewhere",
    "bind",
    "import",
    "unbind",
    "unclaim",
    "unclaim",
    "unclaim",
    "attach",
    "detach",
    "mark",
    "unmark",
    "export",
    "delete",
    "fail",
    "cut",
    "lead",
    "restart",
    "wait",
    "wait",
    "wait",
    "wait",
    "wait"
  ]),
  volume: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 })),
  minutes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
})
type Step = typeof Step.Type

/** What is true of a volume, whoever knows it. */
interface Truth {
  readonly id: VolumeId
  readonly madeBy: "this cluster" | "another cluster" | "the Go driver"
  readonly claim: string
  claimed: boolean
  bound: boolean
  imported: boolean
  attached: boolean
  marked: boolean
  /** By the driver, when it was told to. */
  deleted: boolean
  /** Since when it is an orphan, in minutes; undefined while it is none. */
  orphanSince: number | undefined
  /** As it was seen last. */
  state: string
}

const isOrphan = (truth: Truth) =>
  truth.madeBy === "this cluster" &&
  !(truth.claimed || truth.bound || truth.imported || truth.attached || truth.marked || truth.deleted)

/** Everything that is known of the story so far. */
class Story {
  readonly volumes: Array<Truth> = []
  /** When the present term of leadership, or the process, began. */
  termSince = 0
  leads = true
}

const tagOf = ({ id, madeBy }: Truth) =>
  `rds-csi cluster=${madeBy === "this cluster" ? "prod" : "staging"} volume=${id}`

const minute = Effect.map(Clock.currentTimeMillis, (now) => now / 60_000)

/** What the test does itself is not what is cut off. */
const undisturbed = <A, E>({ breaks }: World, effect: Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => breaks.splice(0)),
    () => effect,
    (saved) => Effect.sync(() => void breaks.push(...saved))
  )

/** Far from the uids that claims get. */
const neededId = (n: number) => idOf(900_000_000_000 + n)

/** Volumes that stay needed. */
const addReferenced = Effect.fnUntraced(function*(world: World, first: number, last: number) {
  for (let n = first; n <= last; n++) {
    yield* undisturbed(world, world.create(neededId(n)))
    world.cluster.addVolume(neededId(n))
  }
})

const create = Effect.fnUntraced(function*(world: World, story: Story, madeBy: Truth["madeBy"]) {
  const claim = `claim-${story.volumes.length}`
  const id = VolumeId.fromName(`pvc-${world.cluster.addClaim(claim)}`)
  const truth: Truth = {
    id,
    madeBy,
    claim,
    claimed: true,
    bound: false,
    imported: false,
    attached: false,
    marked: false,
    deleted: false,
    orphanSince: undefined,
    state: "exported"
  }
  if (madeBy === "the Go driver") yield* world.createByGo(id)
  else yield* undisturbed(world, world.create(id))
  if (madeBy === "another cluster") yield* world.comment(id, tagOf(truth))
  if (madeBy !== "this cluster") {
    world.cluster.removeClaim(claim)
    truth.claimed = false
  }
  story.volumes.push(truth)
})

/** What people, sidecars and failures do. A volume that is gone is left alone. */
const act = Effect.fnUntraced(function*(world: World, story: Story, step: Step, controller: Controller) {
  const { cluster } = world
  if (step.does === "create") return yield* create(world, story, "this cluster")
  if (step.does === "create by Go") return yield* create(world, story, "the Go driver")
  if (step.does === "create elsewhere") return yield* create(world, story, "another cluster")
  if (step.does === "wait") return yield* pass(world, story, step.minutes)
  if (step.does === "fail") {
    world.api.fails = !world.api.fails
    return
  }
  if (step.does === "cut") return void world.breaks.push("before", "after", 1, "before", "after")
  if (step.does === "lead") {
    story.leads = !story.leads
    story.termSince = yield* minute
    return yield* SubscriptionRef.set(world.leads, story.leads)
  }
  if (step.does === "restart") {
    yield* controller.restart
    story.termSince = yield* minute
    return
  }
  const truth = story.volumes[story.volumes.length - 1 - step.volume]
  if (truth === undefined || truth.state === "gone" || truth.deleted) return
  const { claim, id } = truth
  switch (step.does) {
    case "bind":
      if (!truth.bound && truth.claimed) cluster.addVolume(id, { claim: `default/${claim}` })
      truth.bound ||= truth.claimed
      return
    case "import":
      if (!truth.imported) {
        cluster.addVolume(`handle-${claim}`, { claim: "", attributes: { volumePath: `${base}/${id}.img`.slice(1) } })
      }
      truth.imported = true
      return
    case "unbind":
      if (truth.bound) cluster.removeVolume(id)
      if (truth.imported) cluster.removeVolume(`handle-${claim}`)
      truth.bound = truth.imported = false
      return
    case "unclaim":
      cluster.removeClaim(claim)
      truth.claimed = false
      return
    case "attach":
      if (truth.bound && !truth.attached) cluster.attach(id, "node-a")
      truth.attached ||= truth.bound
      return
    case "detach":
      if (truth.attached) cluster.forget(id, "node-a")
      truth.attached = false
      return
    case "mark":
    case "unmark":
      if (truth.madeBy !== "this cluster") return
      truth.marked = step.does === "mark"
      return yield* world.comment(id, `${tagOf(truth)}${truth.marked ? " keep" : ""}`)
    case "export":
      yield* world.setExport(id, true)
      truth.state = "exported"
      return
    case "delete":
      // The driver refuses volumes of others.
      if (truth.madeBy === "another cluster") return
      yield* undisturbed(world, world.rds.remove(id))
      truth.deleted = true
      return
  }
})

const pass = Effect.fnUntraced(function*(world: World, story: Story, minutes: number) {
  for (let n = 0; n < minutes; n++) {
    yield* Effect.andThen(TestClock.adjust("1 minute"), settle)
    yield* check(world, story)
  }
})

/** What became of the volumes is right: only what has long been an orphan has changed, and only one step at a time. */
const check = Effect.fnUntraced(function*(world: World, story: Story) {
  const now = yield* minute
  for (const truth of story.volumes) {
    const state = yield* world.stateOf(truth.id)
    if (truth.deleted) {
      assert.strictEqual(state, "gone")
      continue
    }
    if (state !== truth.state) {
      const { id, orphanSince = Infinity } = truth
      const told = `${id}: ${truth.state} → ${state}, minute ${now}: ${JSON.stringify(truth)}`
      assert.isAtLeast(now - orphanSince, graceMinutes, told)
      assert.isAtLeast(now - story.termSince, graceMinutes, told)
      assert.isTrue(story.leads, told)
      assert.isFalse(world.api.fails, told)
      assert.isFalse(truth.state === "exported" && state === "gone", told)
    }
    truth.state = state
    if (!isOrphan(truth)) truth.orphanSince = undefined
    else truth.orphanSince ??= now
  }
})

interface Controller {
  readonly restart: Effect.Effect<void>
}

const startController = Effect.fnUntraced(function*(world: World) {
  const parent = yield* Effect.scope
  let current = Option.none<Scope.Closeable>()
  const restart = Effect.gen(function*() {
    if (Option.isSome(current)) {
      // What it may not be interrupted in takes time.
      const ending = yield* Effect.forkChild(Scope.close(current.value, Exit.void))
      while (ending.pollUnsafe() === undefined) yield* Effect.andThen(TestClock.adjust("1 second"), settle)
    }
    const scope = yield* Scope.fork(parent)
    current = Option.some(scope)
    yield* Scope.provide(world.start(times), scope)
  })
  yield* restart
  return { restart } satisfies Controller
})

describe("orphans", () => {
  it.effect.prop(
    "trap: whatever happens, nothing referenced, foreign, untagged, marked or young is touched, and orphans go in the end",
    [Arbitrary.array(Arbitrary.schema(Step), { minLength: 10, maxLength: 25 })],
    ([steps]) =>
      Effect.gen(function*() {
        const world = yield* startWorld
        const story = new Story()
        yield* addReferenced(world, 1, 3)
        yield* create(world, story, "this cluster")
        yield* create(world, story, "this cluster")
        const controller = yield* startController(world)
        yield* settle
        for (const step of steps) {
          yield* act(world, story, step, controller)
          yield* settle
          yield* check(world, story)
        }
        world.api.fails = false
        world.breaks.length = 0
        story.leads = true
        yield* SubscriptionRef.set(world.leads, true)
        // Enough volumes that are needed, so that the orphans are not too many to be true.
        yield* addReferenced(world, 4, 3 * story.volumes.length)
        yield* pass(world, story, 2 * graceMinutes + 6)
        for (const truth of story.volumes) {
          const isGone = truth.deleted || isOrphan(truth)
          assert.strictEqual(yield* world.stateOf(truth.id), isGone ? "gone" : truth.state, JSON.stringify(truth))
        }
        for (let n = 1; n <= 3; n++) assert.strictEqual(yield* world.stateOf(neededId(n)), "exported")
      }).pipe(Effect.scoped, capturedLogs().run),
    { arbitrary: { runs }, timeout: 20_000 + 10_000 * runs }
  )
})
