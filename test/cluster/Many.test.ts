import { assert, describe, layer } from "@effect/vitest"
import { Clock, Console, Effect, Option } from "effect"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually } from "./support/Eventually.ts"
import { Claim, listOf } from "./support/Objects.ts"
import { workloads } from "./support/Workloads.ts"

const names = Array.from({ length: 200 }, (_, i) => `many-${i}`)

describe.skipIf(plane === undefined)("many volumes at once", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect(
      "200 claims at once, 50 of them deleted at once, then all: nothing is left behind",
      () =>
        Effect.gen(function*() {
          const cluster = yield* Cluster
          const { claimed, removeClaim } = workloads(cluster)
          yield* cluster.replica()
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
          const timed = Effect.fnUntraced(function*<E, R>(what: string, work: Effect.Effect<void, E, R>) {
            const start = yield* Clock.currentTimeMillis
            yield* work
            yield* Console.log(`${what}: ${((yield* Clock.currentTimeMillis) - start) / 1000} s`)
          })
          const all = <A, E, R>(some: ReadonlyArray<string>, act: (name: string) => Effect.Effect<A, E, R>) =>
            Effect.forEach(some, act, { concurrency: "unbounded", discard: true })

          yield* timed("200 claims bound", Effect.andThen(all(names, (name) => claimed(name)), counting(200)))
          yield* timed("50 deleted", Effect.andThen(all(names.slice(0, 50), removeClaim), counting(150)))
          yield* timed("150 deleted", Effect.andThen(all(names.slice(50), removeClaim), counting(0)))
          yield* cluster.nothingLeft
          assert.deepStrictEqual(yield* cluster.newVolumes, [])
        }),
      600_000
    )
  })
})
