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
        const {
          a,
          attached,
          b,
          c,
          cluster,
          described,
          detached,
          pod,
          provisioned,
          refused,
          removeClaim,
          removePod,
          told,
          wantAttached,
          wantDetached
        } = yield* start("vm")
        yield* cluster.replica(["--rwx-policy=kubevirt-only"])
        const { metadata: { name: pv } } = yield* provisioned("disk", sharedBlock)
        yield* pod("virt-launcher-source", a, "disk", virtualMachine)
        yield* attached(pv, a)
        yield* pod("virt-launcher-target", b, "disk", virtualMachine)
        yield* attached(pv, b)
        yield* described("disk", "MigrationStarted")

        // By hand: the attach-detach controller tries for minutes to attach what its pod does not want any more.
        yield* wantAttached(pv, c)
        const refusal = yield* refused(pv, c)
        assert.include(refusal, a)
        assert.include(refusal, b)
        yield* wantDetached(pv, c)
        yield* detached(pv, c)

        yield* removePod("virt-launcher-source")
        yield* detached(pv, a)
        const text = yield* described("disk", "MigrationStarted", "AttachmentConflict", "MigrationCompleted")
        assert.match(text, /Normal +MigrationStarted +\S+ +(\(x\d+ over \S+\) +)?rds-csi-controller/)
        assert.match(text, /Warning +AttachmentConflict +/)
        yield* removePod("virt-launcher-target")
        yield* detached(pv, b)
        const { MigrationCompleted, MigrationFailed, MigrationStarted } = yield* told("disk")
        assert.deepStrictEqual([MigrationStarted, MigrationCompleted, MigrationFailed], [1, 1, undefined])
        yield* removeClaim("disk")
        yield* cluster.nothingLeft
      }))

    it.effect("a migration that outlasts its timeout is reported, and cuts nothing; one that is aborted is reported", () =>
      Effect.gen(function*() {
        const { a, attached, b, cluster, described, detached, pod, provisioned, removeClaim, removePod, told } =
          yield* start("slow")
        yield* cluster.replica()
        yield* cluster.raw("POST", "/apis/storage.k8s.io/v1/storageclasses", {
          apiVersion: "storage.k8s.io/v1",
          kind: "StorageClass",
          metadata: { name: `${cluster.namespace}-short` },
          provisioner: "rds.csi.srvlab.io",
          parameters: { migrationTimeoutSeconds: "30" }
        })
        const { metadata: { name: pv } } = yield* provisioned("slow", {
          ...sharedBlock,
          storageClass: `${cluster.namespace}-short`
        })
        yield* pod("slow-source", a, "slow", virtualMachine)
        yield* attached(pv, a)
        yield* pod("slow-target", b, "slow", virtualMachine)
        yield* attached(pv, b)
        yield* described("slow", "MigrationFailed")
        yield* attached(pv, a)
        yield* attached(pv, b)
        yield* removePod("slow-target")
        yield* detached(pv, b)

        yield* pod("slow-again", b, "slow", virtualMachine)
        yield* attached(pv, b)
        yield* removePod("slow-again")
        yield* detached(pv, b)
        yield* eventually(
          "not both migrations were told to have failed",
          Effect.map(
            told("slow"),
            (counts) => counts["MigrationFailed"] === 2 ? Option.some(counts) : { instead: counts }
          )
        )
        yield* removePod("slow-source")
        yield* detached(pv, a)
        yield* removeClaim("slow")
        yield* cluster.nothingLeft
      }))

    it.effect("the leader's machine dies in mid-migration: the next one ends it, once", () =>
      Effect.gen(function*() {
        const {
          a,
          attached,
          b,
          c,
          cluster,
          detached,
          provisioned,
          refused,
          removeClaim,
          told,
          wantAttached,
          wantDetached
        } = yield* start("leader")
        const flags = ["--leader-election-lease-duration=4s"]
        const first = yield* cluster.replica(flags)
        const { metadata: { name: pv } } = yield* provisioned("handed", sharedBlock)
        yield* wantAttached(pv, a)
        yield* attached(pv, a)
        yield* cluster.replica(flags)
        yield* wantAttached(pv, b)
        yield* attached(pv, b)
        yield* first.cut
        yield* wantAttached(pv, c)
        assert.include(yield* refused(pv, c), b)
        yield* wantDetached(pv, c)
        yield* wantDetached(pv, a)
        yield* detached(pv, a)
        yield* eventually(
          "its end was not told",
          Effect.map(told("handed"), (counts) =>
            counts["MigrationCompleted"] === undefined ? { instead: counts } : Option.some(counts))
        )
        yield* wantDetached(pv, b)
        yield* detached(pv, b)
        const { MigrationCompleted, MigrationFailed, MigrationStarted } = yield* told("handed")
        assert.deepStrictEqual([MigrationStarted, MigrationCompleted, MigrationFailed], [1, 1, undefined])
        yield* removeClaim("handed")
        yield* cluster.nothingLeft
      }))

    it.effect("with a file system it is refused, and the claim says what to ask for instead", () =>
      Effect.gen(function*() {
        const { claimed, cluster, described, removeClaim } = yield* start("fs")
        yield* cluster.replica()
        yield* claimed("files", { accessMode: "ReadWriteMany" })
        const text = yield* described("files", "ProvisioningFailed")
        assert.match(text, /volumeMode: Block/)
        yield* removeClaim("files")
        yield* cluster.nothingLeft
      }))
  })
})
