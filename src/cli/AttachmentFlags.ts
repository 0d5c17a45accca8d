import { Config, Duration, Option } from "effect"
import { type Command, Flag } from "effect/cli"
import { choice, parseTimeSpan, reading, timeSpan } from "./Values.ts"

const attachments = choice("attachments", ["kubernetes", "memory"], "RDS_CSI_ATTACHMENTS").pipe(
  Flag.withDescription(
    "Where it is recorded which node holds which volume. kubernetes: in the PersistentVolumes. memory: in this process, without " +
      "a cluster, until it ends"
  ),
  Flag.withDefault("kubernetes" as const)
)

const nodes = Flag.String("nodes").pipe(
  Flag.withDescription(
    "With --attachments=memory: names of the nodes that volumes may be attached to, separated by commas"
  ),
  Flag.withFallbackConfig(Config.String("RDS_CSI_NODES")),
  Flag.withDefault(""),
  Flag.map((text) => text.split(",").map((name) => name.trim()).filter((name) => name !== ""))
)

/** How a process finds its cluster. */
export const kubeconfig = Flag.String("kubeconfig").pipe(
  Flag.withDescription("File that tells how to reach the API server; empty for the service account of the pod"),
  Flag.withFallbackConfig(Config.String("KUBECONFIG")),
  Flag.withDefault("")
)

const sharingPolicy = choice("rwx-policy", ["warn", "kubevirt-only", "any"], "RDS_CSI_RWX_POLICY").pipe(
  Flag.withDescription(
    "Pods that may use a ReadWriteMany block volume on two nodes at once: any; those of one KubeVirt virtual machine; or any, " +
      "with a Warning event when they are not of one virtual machine"
  ),
  Flag.withDefault("warn" as const)
)

const gracePeriod = timeSpan("attachment-grace-period").pipe(
  Flag.withDescription(
    "How long a recorded holder has to be without VolumeAttachment, and its node gone if it is, before it is dropped"
  ),
  Flag.withDefault(Duration.seconds(30))
)

const reconcileInterval = timeSpan("attachment-reconcile-interval").pipe(
  Flag.withDescription(
    "Time between two comparisons of recorded holders and VolumeAttachments when nothing calls for one"
  ),
  Flag.withDefault(Duration.minutes(5))
)

const leaderElection = Flag.Boolean("leader-election").pipe(
  Flag.withDescription(
    "Several replicas agree through a Lease on who works in the background; without it each one does, which is safe but " +
      "reports things twice"
  ),
  Flag.withDefault(true)
)

const leaseDuration = reading("leader-election-lease-duration", {
  metavar: "<time>",
  parse: (text) =>
    Option.filter(parseTimeSpan(text), (time) => Duration.toSeconds(time) >= 3 && Duration.toSeconds(time) % 1 === 0),
  expected: "whole seconds, 3s or more"
}).pipe(
  Flag.withDescription("How long another replica waits for a leader that gives no sign of life before it takes over"),
  Flag.withDefault(Duration.seconds(15))
)

const leaderElectionNamespace = Flag.String("leader-election-namespace").pipe(
  Flag.withDescription("Namespace of the Lease; empty for the one of this pod"),
  Flag.withDefault("")
)

/** Flags of the processes that decide which node may use a volume. */
export const attachmentFlags = {
  attachments,
  nodes,
  kubeconfig,
  sharingPolicy,
  gracePeriod,
  reconcileInterval,
  leaderElection,
  leaseDuration,
  leaderElectionNamespace
}

/** Their values. */
export type AttachmentFlags = Command.Command.Config.Infer<typeof attachmentFlags>
