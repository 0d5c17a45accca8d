import { type Duration, Effect, Option, Schedule } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import type { Nqn } from "../volume/Nqn.ts"
import { DeviceMissing } from "./Errors.ts"
import { isLive, NvmeFabric } from "./NvmeFabric.ts"

/** How soon a device is looked for again: quickly at first, since it usually is there within milliseconds. */
const poll = Schedule.min([Schedule.exponential("20 millis", 1.5), Schedule.spaced("500 millis")])

/**
 * The block device of the subsystem, once a controller is live and the device has at least `minimumBytes`. Until then it
 * looks again; after `limit` it fails with what was missing.
 */
export const waitForDevice = Effect.fn("waitForDevice")(function*(
  nqn: Nqn,
  options: { readonly minimumBytes: bigint; readonly limit: Duration.Duration }
) {
  const fabric = yield* NvmeFabric
  const look = Effect.gen(function*() {
    const device = yield* fabric.device(nqn)
    if (Option.isNone(device)) return yield* missing(nqn, "it has no block device yet")
    if (device.value.sizeBytes < options.minimumBytes) {
      return yield* missing(
        nqn,
        `its block device shows ${formatBytes(device.value.sizeBytes)} instead of at least ` +
          formatBytes(options.minimumBytes)
      )
    }
    if (!isLive(yield* fabric.controllers(nqn))) {
      return yield* missing(nqn, "its connection is down; the kernel reconnects")
    }
    return device.value
  })
  return yield* look.pipe(
    Effect.retry({
      while: (error) => error._tag === "DeviceMissing",
      schedule: poll.pipe(Schedule.upTo({ duration: options.limit }))
    })
  )
})

const missing = (nqn: Nqn, problem: string) =>
  new DeviceMissing({ nqn, message: `subsystem ${nqn} is not usable on this node: ${problem}` })
