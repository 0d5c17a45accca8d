import { assert, describe, layer } from "@effect/vitest"
import { Clock, Console, Effect, Option, Schema } from "effect"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually } from "./support/Eventually.ts"
import { Claim, listOf } from "./support/Objects.ts"
import { workloads } from "./support/Workloads.ts"

/** How far away the appliance is. */
const latencyMillis = 50

/** What was done, and how it shows on the appliance. */
interface Recorded {
  readonly seconds: number
  /** Commands that the appliance was given, which look for what they are about and so can be given again. */
  readonly lines: ReadonlyArray<string>
}

const Execs = Schema.Struct({ execs: Schema.Array(Schema.Struct({ line: Schema.String })) })

const recorded = Effect.fnUntraced(
  function*<E, R>({ appliance: { ask } }: Cluster["Service"], work: Effect.Effect<void, E, R>) {
    yield* ask("reset-execs")
    const seconds = yield* timed(work)
    const { execs } = yield* Effect.flatMap(ask("execs"), Schema.decodeUnknownEffect(Execs))
    return { seconds, lines: execs.map(({ line }) => line) } satisfies Recorded
  }
)

/** In seconds. */
const timed = Effect.fnUntraced(function*<E, R>(work: Effect.Effect<void, E, R>) {
  const start = yield* Clock.currentTimeMillis
  yield* work
  return ((yield* Clock.currentTimeMillis) - start) / 1000
})

const names = Array.from({ length: 200 }, (_, i) => `many-${i}`)

describe.skipIf(plane === undefined)("many volumes at once", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect(
      "200 claims at once, 50 of them deleted at once, then all: nothing is left behind; beside the appliance's own time for it",
      () =>
        Effect.gen(function*() {
          const cluster = yield* Cluster
          const { claimed, removeClaim } = workloads(cluster)
          const replica = yield* cluster.replica()
          const counting = (wanted: number) =>
            eventually(
              `there are not ${wanted} volumes`,
              Effect.gen(function*() {
                const { items } = yield* cluster.read(listOf(Claim), `${cluster.space}/persistentvolumeclaims`)
                const bound = items.filter(({ status }) => status.phase === "Bound").length
                const volumes = (yield* cluster.newVolumes).length
                const { disks } = yield* cluster.appliance.state
                return bound === wanted && volumes === wanted && disks.length === wanted
                  ? Option.some(undefined)
                  : { instead: { bound, volumes, disks: disks.length } }
              }),
              "4 minutes"
            )
          const all = <A, E, R>(some: ReadonlyArray<string>, act: (name: string) => Effect.Effect<A, E, R>) =>
            Effect.forEach(some, act, { concurrency: "unbounded", discard: true })

          const { ask, bareExec } = cluster.appliance
          yield* ask("add-fault", { rule: `delay=${latencyMillis}ms count=all` })
          const bound = yield* recorded(cluster, Effect.andThen(all(names, (name) => claimed(name)), counting(200)))
          for (const { container, limit, most, now, requested } of yield* replica.memory) {
            const [is, was] = [now.toFixed(0), most.toFixed(0)]
            yield* Console.log(`${container}: ${is} MiB, ${was} at most; asks for ${requested}, limit ${limit}`)
            assert.isAtMost(most, limit, container)
          }
          const some = yield* recorded(cluster, Effect.andThen(all(names.slice(0, 50), removeClaim), counting(150)))
          const others = yield* recorded(cluster, Effect.andThen(all(names.slice(50), removeClaim), counting(0)))
          yield* cluster.nothingLeft
          assert.deepStrictEqual(yield* cluster.newVolumes, [])

          const { exec } = yield* bareExec
          const again = ({ lines }: Recorded) =>
            timed(Effect.forEach(lines, exec, { concurrency: "unbounded", discard: true }))
          const disks = Effect.map(cluster.appliance.state, (state) => state.disks.length)
          const tell = (what: string, { seconds }: Recorded, floor: number) =>
            Console.log(`${what}: ${seconds.toFixed(1)} s; the same commands alone: ${floor.toFixed(1)} s`)
          const before = yield* disks
          yield* tell("200 claims bound", bound, yield* again(bound))
          assert.strictEqual((yield* disks) - before, 200)
          yield* tell("50 deleted", some, yield* again(some))
          yield* tell("150 deleted", others, yield* again(others))
          yield* cluster.nothingLeft
        }),
      600_000
    )
  })
})
