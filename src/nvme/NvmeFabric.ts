import { Context, type Effect, type Option } from "effect"
import type { ConnectionTuning } from "../volume/ConnectionTuning.ts"
import type { Nqn } from "../volume/Nqn.ts"
import type {
  ConnectedElsewhere,
  ConnectFailed,
  DisconnectFailed,
  FabricUnreadable,
  SubsystemNotOurs
} from "./Errors.ts"

/** Where a volume is exported, and as whom and how this node connects to it. */
export interface FabricTarget {
  readonly nqn: Nqn
  /** The IP address of the appliance's data network. */
  readonly address: string
  readonly port: number
  readonly hostNqn: Nqn
  readonly hostId: string
  readonly tuning: ConnectionTuning
}

/** The states of a fabrics controller (Linux, `drivers/nvme/host/core.c`, sysfs attribute `state`). */
export type ControllerState = "new" | "live" | "resetting" | "connecting" | "deleting" | "deleting (no IO)" | "dead"

/** One connection of this node to a subsystem. */
export interface Controller {
  /** The kernel's name, such as `nvme3`; it may change with every connect. */
  readonly name: string
  readonly state: ControllerState
  readonly address: string
  readonly port: number
}

/** The block device of a volume as the kernel shows it now. */
export interface NvmeDevice {
  /** Such as `/dev/nvme3n1`; never to be remembered beyond one operation. */
  readonly path: string
  readonly major: number
  readonly minor: number
  readonly sizeBytes: bigint
  /** The namespace's UUID or NGUID; empty when the target gives none. */
  readonly identity: string
}

/** An NVMe subsystem that this node has at least one controller of. */
export interface Subsystem {
  readonly nqn: Nqn
  readonly controllers: ReadonlyArray<Controller>
  readonly device: Option.Option<NvmeDevice>
}

/**
 * The node's NVMe/TCP initiator. Everything is looked up by NQN in the kernel's present state; an error to look is an
 * error, never "not connected". Each method ends within a limit of the layer. Interrupting one may leave its effect
 * undone or done, never something that the next call cannot pick up.
 */
export class NvmeFabric extends Context.Service<NvmeFabric, {
  /**
   * Makes sure that the node is connected. A live or reconnecting connection to the same NQN, address and port is adopted
   * whatever its host NQN, since forcing a new one would tear it from under its users; one to another address is
   * refused. A subsystem whose controllers are all dead, or that is live and has no block device, is removed and
   * connected afresh. The block device may still be on its way when this returns.
   */
  connect(
    target: FabricTarget
  ): Effect.Effect<
    { readonly adopted: boolean },
    ConnectFailed | ConnectedElsewhere | SubsystemNotOurs | DisconnectFailed | FabricUnreadable
  >
  /** Removes every controller of the subsystem. On success the NQN is gone from the kernel; absent to begin with is success. */
  disconnect(nqn: Nqn): Effect.Effect<void, SubsystemNotOurs | DisconnectFailed | FabricUnreadable>
  /** The block device of the subsystem; None when the node is not connected or the namespace has not appeared. */
  device(nqn: Nqn): Effect.Effect<Option.Option<NvmeDevice>, FabricUnreadable>
  /** Empty when the node is not connected. */
  controllers(nqn: Nqn): Effect.Effect<ReadonlyArray<Controller>, FabricUnreadable>
  /** Asks the kernel to read the namespace's size again; the new size may show a little later. */
  rescan(nqn: Nqn): Effect.Effect<void, FabricUnreadable>
  /** Every subsystem of the node under the driver's NQN prefix. Others, such as a diskless node's root, are never listed. */
  readonly subsystems: Effect.Effect<ReadonlyArray<Subsystem>, FabricUnreadable>
  /**
   * A text that differs from one read before whenever a controller of the node has come, gone or changed its state, or a
   * namespace of one has come or gone; also when another has the same name now. Costs a fraction of `subsystems`.
   */
  readonly glance: Effect.Effect<string, FabricUnreadable>
}>()("rds-csi/nvme/NvmeFabric") {}

/** Whether at least one controller carries I/O now. */
export const isLive = (controllers: ReadonlyArray<Controller>): boolean =>
  controllers.some((controller) => controller.state === "live")
