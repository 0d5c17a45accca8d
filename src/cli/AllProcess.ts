import { Effect, Layer } from "effect"
import type { ControllerServices } from "../csi/Controller.ts"
import type { Rpc } from "../csi/GrpcService.ts"
import type { NodeServices } from "../csi/Node.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { controllerComponents, type ControllerFlags, controllerRpcs, controllerServices } from "./ControllerProcess.ts"
import type { NodeFlags } from "./NodeCommand.ts"
import { nodeRpcs, nodeServices } from "./NodeProcess.ts"
import { observability, serveDriver } from "./Serve.ts"

/** Serves all three services until the process is told to stop. */
export const runAll = (flags: ControllerFlags & { readonly node: NodeFlags }) =>
  Effect.gen(function*() {
    const rpcs: ReadonlyArray<Rpc<ControllerServices | NodeServices>> = [
      ...controllerRpcs(flags),
      ...nodeRpcs(flags.node)
    ]
    return yield* serveDriver(flags.common, { controller: true, rpcs, components: yield* controllerComponents })
  }).pipe(
    Effect.provide(
      Layer.merge(
        controllerServices(flags, [flags.node.nodeId]),
        nodeServices({ ...flags, kubeconfig: flags.attachment.kubeconfig })
      ).pipe(
        Layer.provideMerge(VolumeLock.layer),
        Layer.provideMerge(observability(flags.common))
      )
    )
  )
