import { Context, Effect, Layer } from "effect"
import type { RosError } from "./menu/Menu.ts"

/** A disk item with `nvme-tcp-export=yes`: one subsystem with one namespace, number 1 (RouterOS manual, NVMe over TCP). */
export interface Export {
  readonly nqn: string
  /** TCP port of the subsystem. */
  readonly port: number
  /** The image in the state directory; absent when the device is in memory. */
  readonly file?: string
  readonly sizeBytes: bigint
  /** Host NQNs that may connect; empty = all. */
  readonly allowedHosts: ReadonlyArray<string>
}

/** The data plane behind the device's exports. The device calls it whenever its configuration changes; an error fails the command. */
export class Exports extends Context.Service<Exports, {
  export(target: Export): Effect.Effect<void, RosError>
  unexport(nqn: string): Effect.Effect<void, RosError>
  resize(target: Export): Effect.Effect<void, RosError>
}>()("rds-csi/simulator/Exports") {
  /** Control plane only: exports are configuration, and nothing listens. */
  static readonly none = Layer.succeed(Exports, {
    export: () => Effect.void,
    unexport: () => Effect.void,
    resize: () => Effect.void
  })
}
