import { Config, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Attachments } from "../attachment/Attachments.ts"
import { NodeRegistry } from "../attachment/NodeRegistry.ts"
import { makeController } from "../csi/Controller.ts"
import { Controller } from "../csi/gen/csi_pb.ts"
import { rpcs } from "../csi/GrpcService.ts"
import type { Component } from "../observability/Ops.ts"
import { RdsClient } from "../rds/RdsClient.ts"
import { SshPool } from "../rds/SshPool.ts"
import { SshTransport } from "../rds/SshTransport.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { controllerConfig, rdsConfig, sshPoolConfig, sshTarget } from "./ApplianceConfig.ts"
import { type ApplianceFlags, applianceFlags } from "./ApplianceFlags.ts"
import { commonFlags, nodeId } from "./CommonFlags.ts"
import { observability, serveDriver } from "./Serve.ts"

/** The nodes a volume may be attached to. */
export const knownNodes = Flag.String("nodes").pipe(
  Flag.withDescription("Names of the nodes that volumes may be attached to, separated by commas"),
  Flag.withFallbackConfig(Config.String("RDS_CSI_NODES")),
  Flag.withDefault(""),
  Flag.map((text) => text.split(",").map((name) => name.trim()).filter((name) => name !== ""))
)

/** The RPCs of the controller, and everything below them. */
export const controllerRpcs = Effect.fnUntraced(function*(flags: ApplianceFlags) {
  yield* Effect.logWarning(
    "attachments are kept in memory: after a restart of this process only Kubernetes keeps a second node away"
  )
  return rpcs(Controller, makeController(controllerConfig(flags)))
})

/** Attachments to these nodes, and the appliance that the flags name. */
export const controllerServices = (flags: ApplianceFlags, nodes: ReadonlyArray<string>) =>
  Layer.mergeAll(Attachments.layerMemory, NodeRegistry.layerStatic(nodes), rdsClient(flags))

const rdsClient = (flags: ApplianceFlags) =>
  Layer.unwrap(Effect.gen(function*() {
    const target = yield* sshTarget(flags)
    return RdsClient.layer(rdsConfig(flags)).pipe(
      Layer.provide(SshPool.layer(sshPoolConfig(flags))),
      Layer.provide(SshTransport.layer(target))
    )
  }))

/** The appliance as `/readyz` shows it. */
export const applianceComponent = Effect.map(
  RdsClient,
  (rds): Effect.Effect<Component> =>
    Effect.map(rds.state, ({ connected, lastError, version }) => ({
      ready: connected,
      version,
      error: lastError?.message
    }))
)

/** `rds-csi controller` */
export const controllerCommand = Command.make(
  "controller",
  { common: commonFlags, appliance: applianceFlags, nodes: knownNodes, nodeId: Flag.optional(nodeId) },
  ({ appliance, common, nodeId, nodes }) =>
    Effect.gen(function*() {
      const rpcs = yield* controllerRpcs(appliance)
      const components = { appliance: yield* applianceComponent }
      return yield* serveDriver(common, { controller: true, rpcs, components })
    }).pipe(
      Effect.provide(
        Layer.merge(controllerServices(appliance, [...nodes, ...Option.toArray(nodeId)]), VolumeLock.layer).pipe(
          Layer.provideMerge(observability(common))
        )
      )
    )
).pipe(
  Command.withShortDescription("Serve Identity and Controller: make, grow and delete volumes on the appliance"),
  Command.withDescription(
    "Serves the CSI services Identity and Controller, and talks to the appliance over SSH. It starts and stays up while the " +
      "appliance is away; calls then answer UNAVAILABLE."
  )
)
