import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { applianceFlags } from "./ApplianceFlags.ts"
import { attachmentFlags } from "./AttachmentFlags.ts"
import { commonFlags, nodeId } from "./CommonFlags.ts"
import { orphanFlags } from "./OrphanFlags.ts"

/** `rds-csi controller` */
export const controllerCommand = Command.make(
  "controller",
  {
    common: commonFlags,
    appliance: applianceFlags,
    attachment: attachmentFlags,
    orphan: orphanFlags,
    nodeId: Flag.optional(nodeId)
  },
  ({ nodeId, ...flags }) =>
    Effect.flatMap(
      // Each process loads what it runs, and nothing of the others.
      Effect.promise(() => import("./ControllerProcess.ts")),
      ({ runController }) => runController(flags, Option.toArray(nodeId))
    )
).pipe(
  Command.withShortDescription("Serve Identity and Controller: make, grow and delete volumes on the appliance"),
  Command.withDescription(
    "Serves the CSI services Identity and Controller, and talks to the appliance over SSH and to the Kubernetes API server. It " +
      "starts and stays up while either is away; calls that need it then answer UNAVAILABLE."
  )
)
