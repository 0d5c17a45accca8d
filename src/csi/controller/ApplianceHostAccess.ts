import { Effect, Layer } from "effect"
import { HostAccessFailed } from "../../attachment/Errors.ts"
import { HostAccess } from "../../attachment/HostAccess.ts"
import * as Metrics from "../../observability/Metrics.ts"
import { RdsClient } from "../../rds/RdsClient.ts"
import { Nqn } from "../../volume/Nqn.ts"

/**
 * The appliance lets only the holders of a volume connect, by the host NQN that the node plugin derives from the node's name.
 * While it cannot be reached no volume is attached or detached.
 */
export const applianceHostAccess = Layer.effect(
  HostAccess,
  Effect.gen(function*() {
    const rds = yield* RdsClient
    const failed = ({ message }: { readonly message: string }) => new HostAccessFailed({ message })
    return HostAccess.of({
      enforced: true,
      limit: (volumeId, nodes, whenOpen) =>
        rds.limitHosts(volumeId, { hosts: nodes.map(Nqn.host), whenOpen }).pipe(
          Metrics.measured({ total: Metrics.hostAccessChangesTotal }),
          Effect.mapError(failed)
        ),
      limits: Effect.mapBoth(rds.list, {
        onFailure: failed,
        onSuccess: (volumes) => new Map(volumes.map(({ allowedHosts, id }) => [id, allowedHosts]))
      })
    })
  })
)
