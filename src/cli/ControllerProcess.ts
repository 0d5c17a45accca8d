import { Effect, Layer, Stream } from "effect"
import { HostAccess } from "../attachment/HostAccess.ts"
import { Reconciler } from "../attachment/Reconciler.ts"
import { makeController } from "../csi/Controller.ts"
import { applianceHostAccess } from "../csi/controller/ApplianceHostAccess.ts"
import { Controller } from "../csi/gen/csi_pb.ts"
import { rpcs } from "../csi/GrpcService.ts"
import type { Component } from "../observability/Ops.ts"
import { RdsClient } from "../rds/RdsClient.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { rdsClient } from "./ApplianceClient.ts"
import { controllerConfig, sshTarget } from "./ApplianceConfig.ts"
import type { ApplianceFlags } from "./ApplianceFlags.ts"
import type { AttachmentFlags } from "./AttachmentFlags.ts"
import { attachmentComponents, attachmentRecords, fencing } from "./AttachmentServices.ts"
import type { CommonFlags } from "./CommonFlags.ts"
import type { OrphanFlags } from "./OrphanFlags.ts"
import { checkOrphanFlags, orphanServices } from "./OrphanServices.ts"
import { observability, serveDriver } from "./Serve.ts"

/** Values of the flags of a process that serves the Controller service. */
export interface ControllerFlags {
  readonly common: CommonFlags
  readonly appliance: ApplianceFlags
  readonly attachment: AttachmentFlags
  readonly orphan: OrphanFlags
}

/** Serves Identity and Controller until the process is told to stop. `ownNodes`: nodes known by themselves. */
export const runController = (flags: ControllerFlags, ownNodes: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const components = yield* controllerComponents
    return yield* serveDriver(flags.common, { controller: true, rpcs: controllerRpcs(flags), components })
  }).pipe(
    Effect.provide(
      controllerServices(flags, ownNodes).pipe(
        Layer.provideMerge(VolumeLock.layer),
        Layer.provideMerge(observability(flags.common))
      )
    )
  )

/** The RPCs of the controller. */
export const controllerRpcs = ({ appliance }: ControllerFlags) =>
  rpcs(Controller, makeController(controllerConfig(appliance)))

/** What the RPCs of the controller work with: the appliance, and who decides which node may use a volume. */
export const controllerServices = (
  { appliance, attachment, common, orphan }: ControllerFlags,
  ownNodes: ReadonlyArray<string>
) =>
  Layer.unwrap(Effect.map(
    // First of all: a configuration that cannot work ends the process before anything starts.
    Effect.andThen(checkOrphanFlags({ appliance, attachment, orphan }), sshTarget(appliance)),
    (target) =>
      Layer.merge(reconcileOnReconnect, orphanServices({ appliance, attachment, orphan })).pipe(
        Layer.provideMerge(fencing(attachment)),
        Layer.provideMerge(appliance.hostAccess === "holders" ? applianceHostAccess : HostAccess.layerOpen),
        Layer.provideMerge(rdsClient(appliance, target)),
        Layer.provideMerge(attachmentRecords(attachment, { driver: common.driverName, ownNodes }))
      )
  ))

/** Detaching went on while the appliance was away; what it left behind is looked for when the appliance is back. */
const reconcileOnReconnect = Layer.effectDiscard(Effect.gen(function*() {
  const { states } = yield* RdsClient
  const { trigger } = yield* Reconciler
  yield* states.pipe(
    Stream.map(({ connected }) => connected),
    Stream.changes,
    Stream.filter((connected) => connected),
    Stream.runForEach(() => trigger),
    Effect.forkScoped
  )
}))

/** The parts of a controller as `/readyz` shows them. */
export const controllerComponents = Effect.gen(function*() {
  const rds = yield* RdsClient
  const appliance: Effect.Effect<Component> = Effect.map(rds.state, ({ connected, lastError, version }) => ({
    ready: connected,
    version,
    error: lastError?.message
  }))
  return { appliance, ...yield* attachmentComponents }
})
