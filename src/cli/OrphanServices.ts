import { Duration, Effect, Layer } from "effect"
import { orphanReconciler } from "../orphans/OrphanReconciler.ts"
import { ClusterId } from "../volume/OwnershipTag.ts"
import type { ApplianceFlags } from "./ApplianceFlags.ts"
import type { AttachmentFlags } from "./AttachmentFlags.ts"
import { Misconfigured } from "./Exit.ts"
import type { OrphanFlags } from "./OrphanFlags.ts"

/** What decides whether a controller may look for orphans, and remove any. */
interface Flags {
  readonly appliance: ApplianceFlags
  readonly attachment: AttachmentFlags
  readonly orphan: OrphanFlags
}

/** Longer than it may take from a volume to the PersistentVolume that refers to it. */
const shortestGracePeriod = Duration.hours(1)

/** The orphan reconciler as the flags ask for it; nothing unless it is enabled. */
export const orphanServices = ({ appliance, orphan }: Flags) => {
  const { dryRun, enable, gracePeriod, interval } = orphan
  const scope = { clusterId: appliance.clusterId, base: appliance.basePath }
  return enable ? orphanReconciler({ scope, interval, gracePeriod, dryRun }) : Layer.empty
}

/** Fails if an orphan could not be told from a volume that is needed, or that is somebody else's. */
export const checkOrphanFlags = Effect.fnUntraced(function*({ appliance, attachment, orphan }: Flags) {
  if (!orphan.enable) return
  if (attachment.attachments === "memory") {
    return yield* new Misconfigured({
      message:
        "--enable-orphan-reconciler needs a cluster: with --attachments=memory there are no PersistentVolumes that " +
        "could tell which volumes are needed"
    })
  }
  if (orphan.dryRun) return
  if (appliance.clusterId === ClusterId.fallback) {
    return yield* new Misconfigured({
      message:
        `--orphan-dry-run=false needs a --cluster-id other than "${ClusterId.fallback}": another cluster on the ` +
        "appliance may have the default as well, and its volumes would be taken for orphans of this one"
    })
  }
  if (Duration.isLessThan(orphan.gracePeriod, shortestGracePeriod)) {
    return yield* new Misconfigured({
      message:
        `--orphan-grace-period ${
          Duration.format(orphan.gracePeriod)
        } is too short for --orphan-dry-run=false: it has ` +
        "to be 1h or more, as a volume is made before the PersistentVolume that refers to it"
    })
  }
})
