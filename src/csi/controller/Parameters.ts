import { Effect } from "effect"
import * as StorageClassParameters from "../../volume/StorageClassParameters.ts"
import type { ControllerConfig } from "./Config.ts"

/** StorageClass parameters with the defaults of this controller; logs what is accepted only for the sake of old classes. */
export const classParameters = Effect.fnUntraced(function*(
  config: ControllerConfig,
  parameters: Readonly<Record<string, string>>
) {
  const decoded = yield* Effect.fromResult(StorageClassParameters.decode(parameters, config))
  yield* Effect.forEach(decoded.warnings, (warning) => Effect.logWarning(`StorageClass: ${warning}`), { discard: true })
  return decoded.parameters
})
