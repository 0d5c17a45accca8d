import { Effect, Option, Result } from "effect"
import { RdsClient } from "../../rds/RdsClient.ts"
import * as VolumeContext from "../../volume/VolumeContext.ts"
import { VolumeNotFound } from "../Errors.ts"
import type { ValidateVolumeCapabilitiesRequest } from "../gen/csi_pb.ts"
import { capabilities, existingVolumeId, missing, required } from "../Requests.ts"
import { completeContext, type ControllerConfig } from "./Config.ts"
import { classParameters } from "./Parameters.ts"

/**
 * CSI spec, ValidateVolumeCapabilities. What the volume cannot do is not an error but an answer without `confirmed` and with
 * the reason; context and parameters are confirmed only when they were checked.
 */
export const validateVolumeCapabilities = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: ValidateVolumeCapabilitiesRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    if (request.volumeCapabilities.length === 0) return yield* missing("volume_capabilities")
    const id = yield* existingVolumeId(volumeId)
    const rds = yield* RdsClient
    const volume = yield* rds.get(id)
    if (Option.isNone(volume)) return yield* new VolumeNotFound({ volumeId })

    const checked = yield* Effect.result(Effect.gen(function*() {
      yield* capabilities(request.volumeCapabilities)
      yield* Effect.fromResult(VolumeContext.decode(completeContext(config, request.volumeContext), id))
      yield* classParameters(config, request.parameters)
    }))
    if (Result.isFailure(checked)) return { message: checked.failure.message }
    return {
      confirmed: {
        volumeContext: request.volumeContext,
        volumeCapabilities: request.volumeCapabilities,
        parameters: request.parameters
      }
    }
  })
