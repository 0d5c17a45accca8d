import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { ControllerServices } from "../csi/Controller.ts"
import type { Rpc } from "../csi/GrpcService.ts"
import type { NodeServices } from "../csi/Node.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { applianceFlags } from "./ApplianceFlags.ts"
import { commonFlags } from "./CommonFlags.ts"
import { applianceComponent, controllerRpcs, controllerServices, knownNodes } from "./ControllerCommand.ts"
import { nodeFlags, nodeRpcs, nodeServices } from "./NodeCommand.ts"
import { observability, serveDriver } from "./Serve.ts"

/** `rds-csi all` */
export const allCommand = Command.make(
  "all",
  { common: commonFlags, appliance: applianceFlags, node: nodeFlags, nodes: knownNodes },
  ({ appliance, common, node, nodes }) =>
    Effect.gen(function*() {
      const rpcs: ReadonlyArray<Rpc<ControllerServices | NodeServices>> = [
        ...controllerRpcs(appliance),
        ...nodeRpcs(node)
      ]
      const components = { appliance: yield* applianceComponent }
      return yield* serveDriver(common, { controller: true, rpcs, components })
    }).pipe(
      Effect.provide(
        Layer.merge(controllerServices(appliance, [node.nodeId, ...nodes]), nodeServices(node)).pipe(
          Layer.provideMerge(VolumeLock.layer),
          Layer.provideMerge(observability(common))
        )
      )
    )
).pipe(
  Command.withShortDescription("Serve all three services on one socket, for development and conformance tests"),
  Command.withDescription("Serves Identity, Controller and Node in one process: for development and conformance tests.")
)
