import { Context, Duration, Effect, Layer, Option, SubscriptionRef } from "effect"
import { Fencing } from "../../src/attachment/Fencing.ts"
import { Leadership } from "../../src/attachment/Leadership.ts"
import { Reconciler } from "../../src/attachment/Reconciler.ts"
import { KubeUnavailable } from "../../src/kubernetes/Errors.ts"
import { listedReferences } from "../../src/kubernetes/KubernetesOrphanReferences.ts"
import { OrphanEvents, type OrphanNotice } from "../../src/orphans/OrphanEvents.ts"
import { type OrphanConfig, orphanReconciler } from "../../src/orphans/OrphanReconciler.ts"
import { OrphanReferences } from "../../src/orphans/OrphanReferences.ts"
import { RdsClient } from "../../src/rds/RdsClient.ts"
import { withoutSlash } from "../../src/volume/PathRules.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { VolumeLock } from "../../src/volume/VolumeLock.ts"
import { base, rdsConfig, spec } from "../rds/Harness.ts"
import { startInProcess } from "../rds/InProcess.ts"
import { makeCluster } from "../support/kubernetes/Cluster.ts"
import { makeObjectStore } from "../support/kubernetes/ObjectStore.ts"
import { storeApi } from "../support/kubernetes/StoreApi.ts"

export const scope = { clusterId: rdsConfig.clusterId, base }

/** Small numbers for a virtual clock. */
export const times = { interval: Duration.hours(1), gracePeriod: Duration.hours(3) }

/** The id of a volume that is made for a claim with this number. */
export const idOf = (n: number) => VolumeId.fromName(`pvc-00000000-0000-4000-8000-${String(n).padStart(12, "0")}`)

/**
 * A simulated appliance and the objects of a cluster, in this process and without waiting for anything, so that time can be
 * virtual. `api.fails` makes every call of the API server fail; `api.before` runs before each time that references are read.
 */
export const startWorld = Effect.gen(function*() {
  const appliance = yield* startInProcess()
  const store = makeObjectStore(() => "2026-01-01T00:00:00Z")
  const api = { fails: false, before: (): Effect.Effect<void> => Effect.void }
  const failing = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | KubeUnavailable> =>
      api.fails ? Effect.fail(new KubeUnavailable({ message: "the API server is away" })) : call
    )
  const listed = Context.get(
    yield* Layer.build(Layer.provide(listedReferences, storeApi(store, failing))),
    OrphanReferences
  )
  const references = { read: Effect.andThen(Effect.suspend(() => api.before()), listed.read) }
  const notices: Array<OrphanNotice> = []
  const leads = yield* SubscriptionRef.make(true)
  const attachments = { ready: true, holders: new Map<VolumeId, ReadonlyArray<string>>() }

  const lock = Context.get(yield* Layer.build(Layer.fresh(VolumeLock.layer)), VolumeLock)
  const services = Layer.mergeAll(
    Layer.succeed(RdsClient, appliance.rds),
    Layer.succeed(OrphanReferences, references),
    Layer.succeed(OrphanEvents, { post: (notice) => Effect.sync(() => void notices.push(notice)) }),
    Layer.succeed(Leadership, { changes: SubscriptionRef.changes(leads) }),
    Layer.mock(Fencing)({ allHolders: Effect.sync(() => attachments.holders) }),
    Layer.mock(Reconciler)({ isReady: Effect.sync(() => attachments.ready) }),
    Layer.succeed(VolumeLock, lock)
  )

  const disk = Effect.fnUntraced(function*(id: VolumeId) {
    const { disks } = yield* appliance.device.state
    return disks.find(({ filePath }) => filePath.endsWith(`/${id}.img`))
  })

  return {
    ...appliance,
    cluster: makeCluster({ objects: store }),
    api,
    attachments,
    leads,
    lock,
    notices,
    services,
    /** By what `cleanOrphan` judges. */
    judges: { scope, references: references.read },
    /** The driver makes a volume. */
    create: (id: VolumeId) => appliance.rds.create({ ...spec("any"), id }),
    /** What the Go driver left: no comment, and a slot that RouterOS may have cut short. */
    createByGo: (id: VolumeId) =>
      appliance.type(
        `/disk add type=file slot=pvc-${id.slice(-12)} file-path=${base}/${id}.img file-size=1G mount-filesystem=no ` +
          `nvme-tcp-export=yes nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:${id}`
      ),
    comment: (id: VolumeId, text: string) =>
      appliance.type(`/disk set [find where nvme-tcp-server-nqn~"${id}"] comment="${text}"`),
    setExport: (id: VolumeId, on: boolean) =>
      appliance.type(`/disk set [find where nvme-tcp-server-nqn~"${id}"] nvme-tcp-export=${on ? "yes" : "no"}`),
    /** The volume as the driver sees it. */
    volume: (id: VolumeId) => Effect.map(appliance.rds.get(id), Option.getOrThrow),
    /** What is left of a volume: its disk and its file are there or not. */
    stateOf: Effect.fnUntraced(function*(id: VolumeId) {
      const found = yield* disk(id)
      const { files } = yield* appliance.device.state
      const file = files.some(({ path }) => path === withoutSlash(`${base}/${id}.img`))
      if (found === undefined) return file ? "file" : "gone"
      return found.exported ? "exported" : "unexported"
    }),
    /** Runs a replica of the controller until the scope ends. */
    start: (config: Partial<OrphanConfig> = {}) =>
      Layer.build(
        orphanReconciler({ scope, ...times, dryRun: false, ...config }).pipe(Layer.provide(services))
      )
  }
})
