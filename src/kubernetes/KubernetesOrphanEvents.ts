import { Effect, Layer, Option } from "effect"
import { OrphanEvents } from "../orphans/OrphanEvents.ts"
import type { Subject } from "./EventPost.ts"
import { makeEventQueue } from "./EventQueue.ts"
import { KubeApi } from "./KubeApi.ts"
import type { ObjectRef } from "./Resource.ts"
import { leases } from "./Resources.ts"

/**
 * Tells about orphans through Kubernetes Events on the leader's Lease: a volume to which nothing refers has no claim. `namespace`
 * is where the Lease is; none: the namespace that the process runs in. Without either only the log tells.
 */
export const kubernetesOrphanEvents = (lease: { readonly name: string; readonly namespace: Option.Option<string> }) =>
  Layer.effect(
    OrphanEvents,
    Effect.gen(function*() {
      const api = yield* KubeApi
      const namespace = Option.getOrUndefined(Option.orElse(lease.namespace, () => api.namespace))
      const subject = namespace === undefined ? undefined : subjectOf({ name: lease.name, namespace })
      const post = yield* makeEventQueue({
        source: { component: "rds-csi-controller" },
        subjectOf: (_about: "orphans") => Effect.succeed(subject),
        start: Effect.void,
        isStarted: Effect.succeed(true)
      })
      return OrphanEvents.of({ post: (notice) => post("orphans", notice) })
    })
  )

const subjectOf = ({ name, namespace }: Required<ObjectRef>): Subject => ({
  apiVersion: leases.apiVersion,
  kind: leases.kind,
  namespace,
  name,
  uid: undefined
})
