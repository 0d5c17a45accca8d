import { Config, Duration, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { AttachmentEvents } from "../attachment/AttachmentEvents.ts"
import { Fencing } from "../attachment/Fencing.ts"
import { Leadership } from "../attachment/Leadership.ts"
import { memoryAttachmentStore } from "../attachment/MemoryAttachmentStore.ts"
import { NodeRegistry } from "../attachment/NodeRegistry.ts"
import { Reconciler } from "../attachment/Reconciler.ts"
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

/** The RPCs of the controller. */
export const controllerRpcs = (flags: ApplianceFlags) => rpcs(Controller, makeController(controllerConfig(flags)))

/** Attachments to these nodes, and the appliance that the flags name. */
export const controllerServices = (flags: ApplianceFlags, nodes: ReadonlyArray<string>) =>
  // The appliance first: a configuration that cannot work ends the process before anything starts.
  Layer.merge(fencing, NodeRegistry.layerStatic(nodes)).pipe(Layer.provideMerge(rdsClient(flags)))

const fencing = Fencing.layer.pipe(
  Layer.provide(Reconciler.layer({ gracePeriod: Duration.seconds(30), interval: Duration.minutes(5) })),
  Layer.provide([memoryAttachmentStore, AttachmentEvents.layerNone, Leadership.layerAlways])
)

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
      const rpcs = controllerRpcs(appliance)
      const components = { appliance: yield* applianceComponent }
      return yield* serveDriver(common, { controller: true, rpcs, components })
    }).pipe(
      Effect.provide(
        controllerServices(appliance, [...nodes, ...Option.toArray(nodeId)]).pipe(
          Layer.provideMerge(VolumeLock.layer),
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
