import type { ParameterDefaults } from "../../volume/StorageClassParameters.ts"

/** What the Controller service is started with: what a StorageClass need not say. */
export type ControllerConfig = ParameterDefaults

/**
 * A volume context with what the CO may leave out: without any address in it, the data goes where CreateVolume would have
 * sent it.
 */
export const completeContext = (
  config: ControllerConfig,
  context: Readonly<Record<string, string>>
): Readonly<Record<string, string>> => ({ rdsAddress: config.nvmeAddress || config.rdsAddress, ...context })
