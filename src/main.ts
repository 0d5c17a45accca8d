import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { CliOutput, Command } from "effect/cli"
import { allCommand } from "./cli/AllCommand.ts"
import { controllerCommand } from "./cli/ControllerCommand.ts"
import { formatter, presenter, teardown } from "./cli/Exit.ts"
import { translateGoFlags } from "./cli/GoFlags.ts"
import { nodeCommand } from "./cli/NodeCommand.ts"
import { simulatorCommand } from "./cli/Simulator.ts"
import { build, versionCommand } from "./cli/Version.ts"

const root = Command.make("rds-csi").pipe(
  Command.withDescription(
    "CSI driver for the MikroTik ROSE Data Server: Kubernetes volumes over NVMe/TCP, managed through RouterOS over SSH. " +
      "Command lines of the Go driver (-controller, -node, -rds-address=…) are understood as well."
  ),
  Command.withSubcommands([controllerCommand, nodeCommand, allCommand, simulatorCommand, versionCommand])
)

const { args, warnings } = translateGoFlags(process.argv.slice(2))

Effect.forEach(warnings, (warning) => Console.error(`rds-csi: ${warning}`), { discard: true }).pipe(
  Effect.andThen(Command.runWith(root, { version: build.version })(args)),
  Effect.provide([CliOutput.layerPresenter(presenter), CliOutput.layer(formatter)]),
  Effect.provide(NodeServices.layer),
  (main) => NodeRuntime.runMain(main, { teardown })
)
