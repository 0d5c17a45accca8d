import { Effect } from "effect"
import { type Identity, PluginCapability_Service_Type, PluginCapability_VolumeExpansion_Type } from "./gen/csi_pb.ts"
import type { Handlers } from "./GrpcService.ts"

/** What this process is. */
export interface IdentityOptions {
  /** The driver's name, as in the CSIDriver object. */
  readonly name: string
  readonly version: string
  /** More about the build, e.g. its commit. */
  readonly manifest?: Readonly<Record<string, string>>
  /** Whether the Controller service is offered. */
  readonly controller: boolean
  /**
   * Whether the process has finished starting: configuration read, state rebuilt. It must not depend on the appliance: an
   * outage would make the supervisor restart every pod that holds mounts.
   */
  readonly ready: Effect.Effect<boolean>
}

/** The Identity service (CSI spec, "Identity Service RPC"). Every answer is immediate. */
export const makeIdentity = (options: IdentityOptions): Handlers<typeof Identity> => ({
  getPluginInfo: () =>
    Effect.succeed({ name: options.name, vendorVersion: options.version, manifest: { ...options.manifest } }),

  getPluginCapabilities: () => Effect.succeed({ capabilities: pluginCapabilities(options) }),

  probe: () => Effect.map(options.ready, (ready) => ({ ready }))
})

/**
 * CSI spec, GetPluginCapabilities. No topology: every node reaches the one appliance, so a volume is never tied to a part of
 * the cluster.
 */
export const pluginCapabilities = ({ controller }: Pick<IdentityOptions, "controller">) => [
  ...(controller ? [service(PluginCapability_Service_Type.CONTROLLER_SERVICE)] : []),
  {
    type: {
      case: "volumeExpansion" as const,
      value: { type: PluginCapability_VolumeExpansion_Type.ONLINE }
    }
  }
]

const service = (type: PluginCapability_Service_Type) => ({ type: { case: "service" as const, value: { type } } })
