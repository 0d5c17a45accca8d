import { Context, Duration, Effect, Layer, Scope, Stream } from "effect"
import { AttachmentEvents } from "../../../src/attachment/AttachmentEvents.ts"
import { AttachmentStore } from "../../../src/attachment/AttachmentStore.ts"
import { Fencing } from "../../../src/attachment/Fencing.ts"
import { HostAccess } from "../../../src/attachment/HostAccess.ts"
import { Leadership } from "../../../src/attachment/Leadership.ts"
import { Reconciler, type ReconcilerConfig } from "../../../src/attachment/Reconciler.ts"
import { VolumeLock } from "../../../src/volume/VolumeLock.ts"
import { ClusterClient } from "./ClusterClient.ts"
import type { SimulatedCluster } from "./SimulatedCluster.ts"

/** What a process of the controller consists of, as far as attachments go. */
export const controllerLayer = (client: ClusterClient, leads: Stream.Stream<boolean>, config: ReconcilerConfig) =>
  Fencing.layer.pipe(
    Layer.provideMerge(Reconciler.layer(config)),
    Layer.provideMerge(VolumeLock.layer),
    Layer.provide([
      Layer.succeed(AttachmentStore, client.store),
      Layer.succeed(AttachmentEvents, client.events),
      Layer.succeed(HostAccess, client.access),
      Layer.succeed(Leadership, { changes: leads })
    ])
  )

/** The controller as it is deployed: the defaults of its flags. */
export const defaults: ReconcilerConfig = { gracePeriod: Duration.seconds(30), interval: Duration.minutes(5) }

/**
 * A controller that hears of changes at once, for as long as the scope lasts. `client` says what becomes of its requests;
 * requests that are carried out late are lost.
 */
export const startController = Effect.fnUntraced(function*(
  cluster: SimulatedCluster,
  {
    client = new ClusterClient(cluster, []),
    config = defaults,
    leads = Stream.concat(Stream.make(true), Stream.never)
  }: {
    readonly client?: ClusterClient
    readonly config?: ReconcilerConfig
    readonly leads?: Stream.Stream<boolean>
  } = {}
) {
  const hear = () => {
    while (client.hasNews) client.hear()
  }
  const watch = (delta: ClusterClient["inbox"][number]) => {
    client.inbox.push(delta)
    hear()
  }
  hear()
  yield* Effect.acquireRelease(
    Effect.sync(() => cluster.watchers.add(watch)),
    () => Effect.sync(() => cluster.watchers.delete(watch))
  )
  const services = yield* Layer.buildWithScope(controllerLayer(client, leads, config), yield* Scope.Scope)
  yield* settle
  return {
    client,
    fencing: Context.get(services, Fencing),
    reconciler: Context.get(services, Reconciler),
    lock: Context.get(services, VolumeLock)
  }
})

/** Lets everything be done that needs no time. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 200 })
