import { Effect } from "effect"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"

/** How long a call waits, such as for the detach that makes the volume free. */
const wait = "8 seconds"

/**
 * Lets the calls that change who may use a volume, or whether it exists, wait for each other. A release that overtook a
 * grant while that still looks the volume up would leave the node holding it. To be taken before the volume's own lock.
 */
export const inTurn = (id: VolumeId) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(VolumeLock, (lock) => lock.withLockWithin(`attachment of ${id}`, wait)(self))
