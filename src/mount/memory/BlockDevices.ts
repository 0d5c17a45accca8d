import { Context, type Effect, type Option } from "effect"
import type { BlockDevice, DeviceNumber } from "../Mounter.ts"

/** A block device in memory, held as one text: "" is blank. I/O waits while its path is away and fails once it is gone. */
export interface MemoryBlockDevice extends BlockDevice {
  readonly sizeBytes: Effect.Effect<bigint>
  readonly read: Effect.Effect<string, { readonly message: string }>
  write(content: string): Effect.Effect<void, { readonly message: string }>
  /** Where the files of its file systems are kept, when they are kept outside of this process. */
  readonly directory: Effect.Effect<Option.Option<string>>
  /** An opened device keeps its number, gone or not, until it is closed as often. */
  readonly open: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

/** Where the memory host gets its block devices from. */
export class BlockDevices extends Context.Service<BlockDevices, {
  find(number: DeviceNumber): Effect.Effect<Option.Option<MemoryBlockDevice>>
}>()("rds-csi/mount/BlockDevices") {}
