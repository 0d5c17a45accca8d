import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"
import { Cluster, plane } from "./support/Cluster.ts"
import { holds } from "./support/Eventually.ts"
import { commandsOf, shell } from "./support/Kubectl.ts"
import { workloads } from "./support/Workloads.ts"

describe.skipIf(plane === undefined)("a claim that waits for its first pod", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("the first claim of docs/install.md is bound when its pod has a node, by the commands there", () =>
      Effect.gen(function*() {
        const cluster = yield* Cluster
        const { namespace, plane } = cluster
        const { nodeChosen } = workloads(cluster)
        yield* cluster.replica()
        const page = yield* (yield* FileSystem.FileSystem).readFileString(join(root, "docs/install.md"))
        const [apply, ...others] = commandsOf(page, 5, "kubectl")
        const [, remove] = /`(kubectl delete -f [^`]+)`/.exec(page) ?? []
        if (apply === undefined || remove === undefined) return assert.fail("docs/install.md has other commands")

        yield* shell(plane, apply, { namespace })
        yield* holds(
          "the claim does not wait",
          Effect.map(cluster.eventsOf("first"), (all) => all.some(({ reason }) => reason === "WaitForFirstConsumer"))
        )
        assert.lengthOf((yield* cluster.appliance.state).disks, 0)
        yield* nodeChosen("first")
        // There is no kubelet that would start the pod.
        const possible = others.filter((line) => !line.startsWith("kubectl wait pod/"))
        assert.lengthOf(possible, others.length - 1)
        const said = yield* Effect.forEach(possible, (line) => shell(plane, line, { namespace }))
        assert.match(said.at(-1) ?? "", /^first +Bound +pvc-\S+ +1Gi +RWO +rds-nvme /m)
        yield* shell(plane, remove, { namespace })
        yield* cluster.nothingLeft
      }))
  })
})
