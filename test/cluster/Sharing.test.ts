import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Cluster, plane } from "./support/Cluster.ts"
import { eventually } from "./support/Eventually.ts"
import { workloads } from "./support/Workloads.ts"

const sharedBlock = { accessMode: "ReadWriteMany", volumeMode: "Block" } as const
const virtualMachine = {
  volumeMode: "Block",
  labels: { "kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "vmi-1" }
} as const

const start = Effect.fnUntraced(function*(prefix: string) {
  const cluster = yield* Cluster
  const work = workloads(cluster)
  const [a, b, c] = [`${prefix}-a`, `${prefix}-b`, `${prefix}-c`]
  for (const node of [a, b, c]) yield* work.addNode(node)
  /** What `kubectl describe` shows of a claim, when it has all of these. */
  const described = (claim: string, ...words: ReadonlyArray<string>) =>
    eventually(
      `kubectl describe pvc ${claim} does not show ${words.join(", ")}`,
      Effect.map(
        cluster.kubectl("describe", "pvc", claim, `--namespace=${cluster.namespace}`),
        (text) => words.every((word) => text.includes(word)) ? Option.some(text) : { instead: text }
      )
    )
  /** How many times people were told each reason. */
  const told = (claim: string) =>
    Effect.map(cluster.eventsOf(claim), (events) => {
      const counts: Record<string, number> = {}
      for (const { count = 1, reason } of events) counts[reason] = (counts[reason] ?? 0) + count
      return counts
    })
  return { ...work, cluster, a, b, c, described, told }
})

describe.skipIf(plane === undefined)("ReadWriteMany", () => {
  layer(Cluster.layer(), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("a virtual machine migrates: two nodes, never three, and kubectl describe tells the story", () =>
      Effect.gen(function*() {
        const t = yield* start("vm")
        yield* t.cluster.replica(["--rwx-policy=kubevirt-only"])
        const { metadata: { name: pv } } = yield* t.provisioned("disk", sharedBlock)
        yield* t.pod("virt-launcher-source", t.a, "disk", virtualMachine)
        yield* t.attached(pv, t.a)
        yield* t.pod("virt-launcher-target", t.b, "disk", virtualMachine)
        yield* t.attached(pv, t.b)
        yield* t.described("disk", "MigrationStarted")

        // By hand: the attach-detach controller tries for minutes to attach what its pod does not want any more.
        yield* t.wantAttached(pv, t.c)
        const refusal = yield* t.refused(pv, t.c)
        assert.include(refusal, t.a)
        assert.include(refusal, t.b)
        yield* t.wantDetached(pv, t.c)
        yield* t.detached(pv, t.c)

        yield* t.removePod("virt-launcher-source")
        yield* t.detached(pv, t.a)
        const text = yield* t.described("disk", "MigrationStarted", "AttachmentConflict", "MigrationCompleted")
        assert.match(text, /Normal +MigrationStarted +\S+ +(\(x\d+ over \S+\) +)?rds-csi-controller/)
        assert.match(text, /Warning +AttachmentConflict +/)
        yield* t.removePod("virt-launcher-target")
        yield* t.detached(pv, t.b)
        const { MigrationCompleted, MigrationFailed, MigrationStarted } = yield* t.told("disk")
        assert.deepStrictEqual([MigrationStarted, MigrationCompleted, MigrationFailed], [1, 1, undefined])
        yield* t.removeClaim("disk")
        yield* t.cluster.nothingLeft
      }))

    it.effect("a migration that outlasts its timeout is reported, and cuts nothing; one that is aborted is reported", () =>
      Effect.gen(function*() {
        const t = yield* start("slow")
        yield* t.cluster.replica()
        yield* t.cluster.raw("POST", "/apis/storage.k8s.io/v1/storageclasses", {
          apiVersion: "storage.k8s.io/v1",
          kind: "StorageClass",
          metadata: { name: `${t.cluster.namespace}-short` },
          provisioner: "rds.csi.srvlab.io",
          parameters: { migrationTimeoutSeconds: "30" }
        })
        const { metadata: { name: pv } } = yield* t.provisioned("slow", {
          ...sharedBlock,
          storageClass: `${t.cluster.namespace}-short`
        })
        yield* t.pod("slow-source", t.a, "slow", virtualMachine)
        yield* t.attached(pv, t.a)
        yield* t.pod("slow-target", t.b, "slow", virtualMachine)
        yield* t.attached(pv, t.b)
        yield* t.described("slow", "MigrationFailed")
        yield* t.attached(pv, t.a)
        yield* t.attached(pv, t.b)
        yield* t.removePod("slow-target")
        yield* t.detached(pv, t.b)

        yield* t.pod("slow-again", t.b, "slow", virtualMachine)
        yield* t.attached(pv, t.b)
        yield* t.removePod("slow-again")
        yield* t.detached(pv, t.b)
        yield* eventually(
          "not both migrations were told to have failed",
          Effect.map(
            t.told("slow"),
            (counts) => counts["MigrationFailed"] === 2 ? Option.some(counts) : { instead: counts }
          )
        )
        yield* t.removePod("slow-source")
        yield* t.detached(pv, t.a)
        yield* t.removeClaim("slow")
        yield* t.cluster.nothingLeft
      }))

    it.effect("the leader's machine dies in mid-migration: the next one ends it, once", () =>
      Effect.gen(function*() {
        const t = yield* start("leader")
        const flags = ["--leader-election-lease-duration=4s"]
        const first = yield* t.cluster.replica(flags)
        const { metadata: { name: pv } } = yield* t.provisioned("handed", sharedBlock)
        yield* t.wantAttached(pv, t.a)
        yield* t.attached(pv, t.a)
        yield* t.cluster.replica(flags)
        yield* t.wantAttached(pv, t.b)
        yield* t.attached(pv, t.b)
        // Told once the grant is answered: a machine that dies before keeps it to itself.
        yield* t.described("handed", "MigrationStarted")
        yield* first.cut
        yield* t.wantAttached(pv, t.c)
        assert.include(yield* t.refused(pv, t.c), t.b)
        yield* t.wantDetached(pv, t.c)
        yield* t.wantDetached(pv, t.a)
        yield* t.detached(pv, t.a)
        yield* eventually(
          "its end was not told",
          Effect.map(t.told("handed"), (counts) =>
            counts["MigrationCompleted"] === undefined ? { instead: counts } : Option.some(counts))
        )
        yield* t.wantDetached(pv, t.b)
        yield* t.detached(pv, t.b)
        const { MigrationCompleted, MigrationFailed, MigrationStarted } = yield* t.told("handed")
        assert.deepStrictEqual([MigrationStarted, MigrationCompleted, MigrationFailed], [1, 1, undefined])
        yield* t.removeClaim("handed")
        yield* t.cluster.nothingLeft
      }))

    it.effect("with a file system it is refused, and the claim says what to ask for instead", () =>
      Effect.gen(function*() {
        const t = yield* start("fs")
        yield* t.cluster.replica()
        yield* t.claimed("files", { accessMode: "ReadWriteMany" })
        const text = yield* t.described("files", "ProvisioningFailed")
        assert.match(text, /volumeMode: Block/)
        yield* t.removeClaim("files")
        yield* t.cluster.nothingLeft
      }))
  })
})
