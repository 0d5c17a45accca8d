import { Effect, Layer, Option } from "effect"
import { BlockDevices, type MemoryBlockDevice } from "../../mount/memory/BlockDevices.ts"
import type { HostPaths } from "../../mount/memory/HostPaths.ts"
import { MemoryHost } from "../../mount/memory/MemoryHost.ts"
import * as MemoryMounter from "../../mount/memory/MemoryMounter.ts"
import type { Mounter } from "../../mount/Mounter.ts"
import { MemoryExports } from "../../nvme/memory/MemoryExports.ts"
import { type MemoryBlock, MemoryInitiator } from "../../nvme/memory/MemoryInitiator.ts"
import * as MemoryNvmeFabric from "../../nvme/memory/MemoryNvmeFabric.ts"
import type { NvmeFabric } from "../../nvme/NvmeFabric.ts"

/**
 * A node's kernel without a kernel, root or hardware: what the Node service needs, on the exports and the paths that it is
 * given. `deviceDelayMillis`: how long after a connect the block device shows up.
 */
export const layer = (options: {
  readonly deviceDelayMillis: number
}): Layer.Layer<
  NvmeFabric | Mounter | MemoryInitiator | MemoryHost | BlockDevices,
  never,
  MemoryExports | HostPaths
> =>
  Layer.mergeAll(MemoryNvmeFabric.layer, MemoryMounter.layer).pipe(
    Layer.provideMerge(MemoryHost.layer),
    Layer.provideMerge(blockDevices),
    Layer.provideMerge(MemoryInitiator.layer(options))
  )

/** The initiator's namespaces as the block devices of the host. */
const blockDevices = Layer.effect(
  BlockDevices,
  Effect.gen(function*() {
    const initiator = yield* MemoryInitiator
    const exports = yield* MemoryExports
    const device = (block: MemoryBlock): MemoryBlockDevice => ({
      path: block.path,
      major: block.major,
      minor: block.minor,
      sizeBytes: Effect.sync(() => block.sizeBytes),
      read: initiator.read(block),
      write: (content) => initiator.write(block, content),
      directory: Effect.sync(() => Option.flatMap(exports.peek(block.nqn), ({ directory }) => directory)),
      open: Effect.sync(() => void (block.holders += 1)),
      close: Effect.sync(() => void (block.holders -= 1))
    })
    return BlockDevices.of({ find: (number) => Effect.map(initiator.block(number), Option.map(device)) })
  })
)
