import { Context, Effect, Layer, Option } from "effect"
import { AttachmentEvents } from "../attachment/AttachmentEvents.ts"
import { Fencing } from "../attachment/Fencing.ts"
import { Leadership } from "../attachment/Leadership.ts"
import { memoryAttachmentStore } from "../attachment/MemoryAttachmentStore.ts"
import { NodeRegistry } from "../attachment/NodeRegistry.ts"
import { Reconciler } from "../attachment/Reconciler.ts"
import { SharingGuard } from "../attachment/SharingGuard.ts"
import type { Component } from "../observability/Ops.ts"
import { OrphanEvents } from "../orphans/OrphanEvents.ts"
import { OrphanReferences } from "../orphans/OrphanReferences.ts"
import type { AttachmentFlags } from "./AttachmentFlags.ts"
import { clusterNeeded, clusterSource } from "./Cluster.ts"
import { Misconfigured } from "./Exit.ts"

/** What the record of attachments rests on, as `/readyz` shows it. */
class RecordHealth extends Context.Service<RecordHealth, {
  readonly components: Readonly<Record<string, Effect.Effect<Component>>>
}>()("rds-csi/cli/RecordHealth") {}

/** Who decides which node may use a volume, as the flags say. */
export const fencing = (flags: AttachmentFlags) =>
  Layer.provideMerge(
    Fencing.layer,
    Reconciler.layer({ gracePeriod: flags.gracePeriod, interval: flags.reconcileInterval })
  )

/** What that rests on: where it is recorded, and who knows of it. `ownNodes` are known without being named in the flags. */
export const attachmentRecords = (
  flags: AttachmentFlags,
  { driver, ownNodes }: { readonly driver: string; readonly ownNodes: ReadonlyArray<string> }
) => flags.attachments === "memory" ? inMemory(flags, ownNodes) : inCluster(flags, driver)

/** `/readyz`: whether it is known who holds which volume, and what that knowledge rests on. */
export const attachmentComponents = Effect.gen(function*() {
  const { isReady } = yield* Reconciler
  const { components } = yield* RecordHealth
  const attachments: Effect.Effect<Component> = Effect.map(
    isReady,
    (ready) => ready ? { ready } : { ready, error: "it is not known yet who holds which volume" }
  )
  return { attachments, ...components }
})

const inMemory = ({ nodes }: AttachmentFlags, ownNodes: ReadonlyArray<string>) =>
  Layer.mergeAll(
    memoryAttachmentStore,
    AttachmentEvents.layerNone,
    Leadership.layerAlways,
    SharingGuard.layerAny,
    OrphanEvents.layerNone,
    OrphanReferences.layerUnknown,
    NodeRegistry.layerStatic([...nodes, ...ownNodes]),
    Layer.succeed(RecordHealth, { components: {} })
  )

const inCluster = (flags: AttachmentFlags, driver: string) =>
  Layer.unwrap(Effect.gen(function*() {
    if (flags.nodes.length > 0) {
      return yield* new Misconfigured({
        message: "--nodes is for --attachments=memory only: in a cluster the CSINodes tell which nodes there are"
      })
    }
    // A process without a cluster never loads this.
    const { clusterReadiness, kubernetesServices } = yield* Effect.promise(() => import("../kubernetes/Kubernetes.ts"))
    const services = kubernetesServices({
      source: clusterSource(flags.kubeconfig),
      driver,
      sharingPolicy: flags.sharingPolicy,
      leaderElection: flags.leaderElection,
      leaseDuration: flags.leaseDuration,
      namespace: nonEmpty(flags.leaderElectionNamespace)
    })
    const health = Layer.effect(
      RecordHealth,
      Effect.gen(function*() {
        const context = yield* Effect.context<Layer.Success<typeof services>>()
        return RecordHealth.of({ components: { cluster: Effect.provide(clusterReadiness, context) } })
      })
    )
    return Layer.provideMerge(health, services)
  })).pipe(Layer.catchTag("KubeConfigInvalid", clusterNeeded("--attachments=memory")))

const nonEmpty = Option.liftPredicate((text: string) => text !== "")
