import { Duration, Option } from "effect"
import { type Command, Flag } from "effect/cli"
import { parseTimeSpan, reading, timeSpan } from "./Values.ts"

const enable = Flag.Boolean("enable-orphan-reconciler").pipe(
  Flag.withDescription(
    "Look for volumes of this cluster on the appliance to which nothing in the cluster refers. Needs the permission to list " +
      "persistentvolumeclaims"
  ),
  Flag.withDefault(false)
)

const interval = reading("orphan-check-interval", {
  metavar: "<time>",
  parse: (text) => Option.filter(parseTimeSpan(text), (time) => Duration.toSeconds(time) >= 1),
  expected: "a time of 1s or more"
}).pipe(
  Flag.withDescription("Time between two such looks"),
  Flag.withDefault(Duration.hours(1))
)

const gracePeriod = timeSpan("orphan-grace-period").pipe(
  Flag.withDescription(
    "How long such a volume has to be one, since this process first saw it, before its export ends, and then again before it " +
      "is removed; 1h or more with --orphan-dry-run=false"
  ),
  Flag.withDefault(Duration.hours(24))
)

const dryRun = Flag.Boolean("orphan-dry-run").pipe(
  Flag.withDescription("Tell what would be done about such volumes, and do nothing"),
  Flag.withDefault(true)
)

/** Flags of the processes that look for orphaned volumes, under the Go driver's names. */
export const orphanFlags = { enable, interval, gracePeriod, dryRun }

/** Their values. */
export type OrphanFlags = Command.Command.Config.Infer<typeof orphanFlags>
