import { Effect } from "effect"
import { CliOutput, Command } from "effect/cli"
import { allCommand } from "./AllCommand.ts"
import { controllerCommand } from "./ControllerCommand.ts"
import { formatter, presenter } from "./Exit.ts"
import { translateGoFlags } from "./GoFlags.ts"
import { nodeCommand } from "./NodeCommand.ts"
import { orphansCommand } from "./OrphansCommand.ts"
import { StartWarnings } from "./Serve.ts"
import { simulatorCommand } from "./Simulator.ts"
import { build, versionCommand } from "./Version.ts"

const root = Command.make("rds-csi").pipe(
  Command.withDescription(
    "CSI driver for the MikroTik ROSE Data Server: Kubernetes volumes over NVMe/TCP, managed through RouterOS over SSH. " +
      "Command lines of the Go driver (-controller, -node, -rds-address=…) are understood as well."
  ),
  Command.withSubcommands([
    controllerCommand,
    nodeCommand,
    allCommand,
    orphansCommand,
    simulatorCommand,
    versionCommand
  ])
)

/** The program with these arguments; its exit tells the exit code (`teardown` in Exit.ts). */
export const program = (argv: ReadonlyArray<string>) => {
  const { args, warnings } = translateGoFlags(argv)
  return Command.runWith(root, { version: build.version })(args).pipe(
    Effect.provideService(StartWarnings, warnings),
    Effect.provide([CliOutput.layerPresenter(presenter), CliOutput.layer(formatter)])
  )
}
