import { Effect, Result } from "effect"
import { RdsClient } from "../../rds/RdsClient.ts"
import { MAX_BYTES, MIN_BYTES } from "../../volume/Capacity.ts"
import type { GetCapacityRequest } from "../gen/csi_pb.ts"
import { capabilities } from "../Requests.ts"
import type { ControllerConfig } from "./Config.ts"
import { classParameters } from "./Parameters.ts"

/**
 * CSI spec, GetCapacity: what a new volume of this class could use, which is the free space of the pool below the class's
 * `volumePath` less the reserve. Capabilities that no volume can have leave nothing available.
 */
export const getCapacity = (config: ControllerConfig) =>
  Effect.fnUntraced(function*(request: GetCapacityRequest) {
    const parameters = yield* classParameters(config, request.parameters)
    if (request.volumeCapabilities.length > 0) {
      const wanted = yield* Effect.result(capabilities(request.volumeCapabilities))
      if (Result.isFailure(wanted)) {
        return { availableCapacity: 0n, maximumVolumeSize: 0n, minimumVolumeSize: MIN_BYTES }
      }
    }
    const rds = yield* RdsClient
    const pool = yield* rds.capacity(parameters.volumePath)
    return {
      availableCapacity: pool.freeBytes,
      maximumVolumeSize: pool.freeBytes < MAX_BYTES ? pool.freeBytes : MAX_BYTES,
      minimumVolumeSize: MIN_BYTES
    }
  })
