import { Effect } from "effect"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"

/**
 * Lets the calls that change who may use a volume, or whether it exists, wait for each other. A release that overtook a
 * grant while that still looks the volume up would leave the node holding it. To be taken before the volume's own lock.
 */
export const inTurn = (id: VolumeId) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(VolumeLock, (lock) => lock.withLock(`attachment of ${id}`)(self))
