// Before anything else is loaded.
import "./cli/SmallProcess.ts"

import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { teardown } from "./cli/Exit.ts"
import { program } from "./cli/Root.ts"

program(process.argv.slice(2)).pipe(
  Effect.provide(NodeServices.layer),
  (main) => NodeRuntime.runMain(main, { teardown })
)
