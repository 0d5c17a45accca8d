import { Effect, Option } from "effect"
import { Fencing } from "../../attachment/Fencing.ts"
import { HostAccess } from "../../attachment/HostAccess.ts"
import { NodeRegistry } from "../../attachment/NodeRegistry.ts"
import { SharingGuard } from "../../attachment/SharingGuard.ts"
import { RdsClient, type RdsVolume } from "../../rds/RdsClient.ts"
import { Nqn } from "../../volume/Nqn.ts"
import * as PublishContext from "../../volume/PublishContext.ts"
import * as VolumeContext from "../../volume/VolumeContext.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { FailedPrecondition, NodeNotFound, VolumeNotFound } from "../Errors.ts"
import type { ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest } from "../gen/csi_pb.ts"
import { capability, existingVolumeId, required } from "../Requests.ts"
import { completeContext, type ControllerConfig } from "./Config.ts"
import { inTurn } from "./InTurn.ts"

/** CSI spec, ControllerPublishVolume: grants the volume to one node, for reading only if so asked. */
export const publishVolume = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: ControllerPublishVolumeRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    const nodeId = yield* required("node_id", request.nodeId)
    const wanted = yield* capability(request.volumeCapability)
    const id = yield* existingVolumeId(volumeId)
    const context = completeContext(config, request.volumeContext)
    const { address, migrationTimeoutSeconds } = yield* Effect.fromResult(VolumeContext.decode(context, id))
    const fencing = yield* Fencing
    const grant = fencing.publish({
      volumeId: id,
      nodeId,
      capability: wanted,
      readonly: request.readonly,
      migrationTimeoutSeconds
    })
    const allowed = wanted.accessMode === "MULTI_NODE_MULTI_WRITER" ? mayShare(id, nodeId) : Effect.void
    const volume = yield* inTurn(id)(Effect.tap(usableBy(id, nodeId), Effect.andThen(allowed, grant)))
    const { nqn, port } = volume
    const fsType = wanted.accessType._tag === "Mount" ? { fsType: wanted.accessType.fsType } : {}
    return {
      publishContext: PublishContext.encode({ address, nqn, port, ...fsType, readonly: request.readonly })
    }
  })

/** The volume, if it and the node exist and a node could connect to it. One that is being copied waits for that. */
const usableBy = Effect.fnUntraced(function*(id: VolumeId, nodeId: string) {
  const rds = yield* RdsClient
  const nodes = yield* NodeRegistry
  const volume = yield* rds.get(id)
  if (Option.isNone(volume)) return yield* new VolumeNotFound({ volumeId: id })
  if (!(yield* nodes.exists(nodeId))) return yield* new NodeNotFound({ nodeId })
  const usable = yield* rds.release(volume.value)
  yield* refuseUnexported(usable)
  yield* refuseShutOut(usable, nodeId)
  return usable
})

/** Asks whether the node may use the volume beside the one that holds it. More than two are refused by the fence itself. */
const mayShare = Effect.fnUntraced(function*(id: VolumeId, nodeId: string) {
  const fencing = yield* Fencing
  const [holder, ...others] = yield* fencing.holders(id)
  if (holder === undefined || holder === nodeId || others.length > 0) return
  const guard = yield* SharingGuard
  yield* guard.check(id, holder, nodeId)
})

const refuseUnexported = Effect.fnUntraced(function*(volume: RdsVolume) {
  if (volume.exported) return
  return yield* new FailedPrecondition({
    message:
      `volume ${volume.id} is not exported by the appliance: its deletion was begun, or someone switched the export ` +
      `of slot ${volume.slot} off; switch it on again to use the volume`
  })
})

/** A limit that this process does not keep up, as after a change of `--host-access`: the node would only fail to connect. */
const refuseShutOut = Effect.fnUntraced(function*({ allowedHosts, id, slot }: RdsVolume, nodeId: string) {
  const { enforced } = yield* HostAccess
  const host = Nqn.host(nodeId)
  if (enforced || !Option.exists(allowedHosts, (hosts) => !hosts.includes(host))) return
  return yield* new FailedPrecondition({
    message:
      `volume ${id} cannot be attached to node ${nodeId}: on the appliance, slot ${slot} lets in certain hosts only ` +
      `(nvme-tcp-server-allow-host-name) and ${host} is not one of them; empty that property, or use --host-access=holders`
  })
})

/**
 * CSI spec, ControllerUnpublishVolume: releases the volume from the node, or from all nodes when none is given. Succeeds for
 * unknown volumes and nodes too, since an error would keep their VolumeAttachment for ever. Needs no word from the appliance,
 * unless that is to shut the node out.
 */
export const unpublishVolume = Effect.fnUntraced(function*(request: ControllerUnpublishVolumeRequest) {
  const id = VolumeId.parse(yield* required("volume_id", request.volumeId))
  if (Option.isNone(id)) return {}
  const nodeId = request.nodeId === "" ? Option.none<string>() : Option.some(request.nodeId)
  const fencing = yield* Fencing
  yield* inTurn(id.value)(fencing.unpublish(id.value, nodeId))
  return {}
})
