import { Clock, Duration, Effect, Option, Ref } from "effect"
import type { MountTableUnreadable } from "../../../mount/Errors.ts"
import { type MountEntry, Mounter } from "../../../mount/Mounter.ts"
import type { FabricUnreadable } from "../../../nvme/Errors.ts"
import { isLive, NvmeFabric, type Subsystem } from "../../../nvme/NvmeFabric.ts"
import type { Nqn } from "../../../volume/Nqn.ts"
import type { Sight } from "./Health.ts"

/** Everything that the kernel shows of the node's volumes, read at once. */
export interface Look {
  readonly subsystems: ReadonlyMap<Nqn, Subsystem>
  /** By path, the visible one last. */
  readonly mounts: ReadonlyMap<string, ReadonlyArray<MountEntry>>
}

/** Why there was nothing to see. Never to be taken for "not connected" or "not mounted". */
export type LookFailure = FabricUnreadable | MountTableUnreadable

/**
 * A look that those who ask within `validFor` share, so that a hundred watched volumes cost one reading of sysfs and of the
 * mount table. It may be a little old: good for noticing, not for acting. When it begins to fail, and when it works again, is
 * logged.
 */
export const makeLook = Effect.fnUntraced(function*(validFor: Duration.Duration) {
  const mounter = yield* Mounter
  const failing = yield* Ref.make(false)
  const look: Effect.Effect<Look, LookFailure> = Effect.all({
    subsystems: Effect.map(yield* makeSubsystems, (all) => new Map(all.map((one) => [one.nqn, one]))),
    mounts: Effect.map(mounter.mounts, (all) => Map.groupBy(all, ({ path }) => path))
  })
  return yield* look.pipe(
    Effect.tap(() => whenChanged(failing, false, Effect.logInfo("volumes are watched again"))),
    Effect.tapError(({ message }) =>
      whenChanged(failing, true, Effect.logWarning(`volumes are not watched for now: ${message}`))
    ),
    Effect.cachedWithTTL(validFor)
  )
})

/** For so long what a glance shows unchanged is not read again in full. */
const trustGlance = Duration.minutes(5)

/** All of sysfs is read only when a glance shows that something has changed, while anything is not well, and now and then. */
const makeSubsystems = Effect.gen(function*() {
  const fabric = yield* NvmeFabric
  const last = yield* Ref.make<
    { readonly glance: string; readonly subsystems: ReadonlyArray<Subsystem>; readonly until: number } | undefined
  >(undefined)
  return Effect.gen(function*() {
    const glance = yield* fabric.glance
    const now = yield* Clock.currentTimeMillis
    const known = yield* Ref.get(last)
    if (known?.glance === glance && now < known.until && known.subsystems.every(isWell)) return known.subsystems
    const subsystems = yield* fabric.subsystems
    yield* Ref.set(last, { glance, subsystems, until: now + Duration.toMillis(trustGlance) })
    return subsystems
  })
})

const isWell = ({ controllers, device }: Subsystem) => isLive(controllers) && Option.isSome(device)

const whenChanged = (state: Ref.Ref<boolean>, now: boolean, tell: Effect.Effect<void>) =>
  Effect.flatMap(Ref.getAndSet(state, now), (before) => before === now ? Effect.void : tell)

/** What the look shows of the volume `nqn` that is staged at `path`. */
export const sightOf = ({ mounts, subsystems }: Look, nqn: Nqn, path: string): Sight => {
  const subsystem = subsystems.get(nqn)
  return {
    controllers: subsystem?.controllers ?? [],
    device: subsystem?.device ?? Option.none(),
    mounts: mounts.get(path) ?? []
  }
}
