import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { VolumeId } from "../volume/VolumeId.ts"
import { applianceFlags } from "./ApplianceFlags.ts"
import { kubeconfig } from "./AttachmentFlags.ts"
import { choice } from "./Values.ts"

const output = choice("output", ["table", "json"]).pipe(
  Flag.withDescription("table: for people; json: an array, for programs"),
  Flag.withDefault("table" as const)
)

const yes = Flag.Boolean("yes").pipe(
  Flag.withDescription("Remove them for good; without it only what they are is told"),
  Flag.withDefault(false)
)

const volumes = Argument.String("volume-id").pipe(
  Argument.withDescription("A volume's id, as orphans list shows it"),
  Argument.filterMap(VolumeId.parse, (text) => `Expected a volume id, got ${JSON.stringify(text)}`),
  Argument.variadic({ min: 1 })
)

/** Flags of both subcommands. */
export const orphansFlags = { appliance: applianceFlags, kubeconfig }

/** Flag of `orphans list` alone. */
export const listFlags = { output }

/** Flag of `orphans remove` alone. */
export const removeFlags = { yes }

/** What both subcommands are told. */
export type OrphansFlags = Command.Command.Config.Infer<typeof orphansFlags>

/** `rds-csi orphans list` */
export const listCommand = Command.make(
  "list",
  { ...orphansFlags, ...listFlags },
  (flags) =>
    Effect.flatMap(Effect.promise(() => import("./OrphansProcess.ts")), ({ listOrphans }) => listOrphans(flags))
).pipe(
  Command.withShortDescription("Show every volume on the appliance, and why it is an orphan or not"),
  Command.withDescription(
    "Shows every volume on the appliance and every file without disk, and why each is an orphan of this cluster or not. Changes " +
      "nothing. Lists PersistentVolumes, PersistentVolumeClaims and VolumeAttachments."
  )
)

/** `rds-csi orphans remove` */
export const removeCommand = Command.make(
  "remove",
  { ...orphansFlags, ...removeFlags, volumes },
  (flags) =>
    Effect.flatMap(Effect.promise(() => import("./OrphansProcess.ts")), ({ removeOrphans }) => removeOrphans(flags))
).pipe(
  Command.withShortDescription("Remove volumes that are orphans of this cluster, by their ids"),
  Command.withDescription(
    "Removes volumes with their data, if this cluster made them and nothing in it refers to them. Each is judged anew before its " +
      "export ends, and again before it is removed; what is anything else is left as it is, and the exit code is 1."
  )
)

/** `rds-csi orphans` */
export const orphansCommand = Command.make("orphans").pipe(
  Command.withShortDescription("Show or remove volumes to which nothing in the cluster refers"),
  Command.withDescription("Shows or removes volumes of this cluster on the appliance to which nothing in it refers."),
  Command.withSubcommands([listCommand, removeCommand])
)
