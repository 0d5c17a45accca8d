import { Effect } from "effect"
import { Command } from "effect/cli"
import { applianceFlags } from "./ApplianceFlags.ts"
import { attachmentFlags } from "./AttachmentFlags.ts"
import { commonFlags } from "./CommonFlags.ts"
import { nodeFlags } from "./NodeCommand.ts"
import { orphanFlags } from "./OrphanFlags.ts"

/** `rds-csi all` */
export const allCommand = Command.make(
  "all",
  { common: commonFlags, appliance: applianceFlags, attachment: attachmentFlags, orphan: orphanFlags, node: nodeFlags },
  (flags) => Effect.flatMap(Effect.promise(() => import("./AllProcess.ts")), ({ runAll }) => runAll(flags))
).pipe(
  Command.withShortDescription("Serve all three services on one socket, for development and conformance tests"),
  Command.withDescription("Serves Identity, Controller and Node in one process: for development and conformance tests.")
)
