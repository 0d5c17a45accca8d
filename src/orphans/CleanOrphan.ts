import { Effect, Option } from "effect"
import { RdsClient, type RdsVolume } from "../rds/RdsClient.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { describeVerdict, judgeBy, type OrphanScope } from "./Judgement.ts"
import type { OrphanReferences } from "./OrphanReferences.ts"

/** What became of a volume that was taken for an orphan; `Spared` says why nothing was done. */
export type Outcome =
  | { readonly _tag: "Unexported" }
  | { readonly _tag: "Removed" }
  | { readonly _tag: "Spared"; readonly why: string }

/** By what a volume is judged again. `references` must be read anew each time it runs. */
export interface Judges {
  readonly scope: OrphanScope
  readonly references: OrphanReferences["Service"]["read"]
}

const spared = (why: string): Outcome => ({ _tag: "Spared", why })

/**
 * Ends the export of an orphan, and removes it if `andRemove`. Nothing is taken on trust: under the volume's lock references are
 * read again, then the volume, and it is judged by both. The export ends first, in a script that compares the item with what
 * was judged; from then on no node can begin to use the volume, and all is read and judged once more. If it is not an
 * orphan by then, or that is not known, the export is switched on again and nothing was done.
 */
export const cleanOrphan = Effect.fn("Orphans.clean")(
  function*(judges: Judges, seen: RdsVolume, { andRemove }: { readonly andRemove: boolean }) {
    const rds = yield* RdsClient
    const before = yield* objectionTo(judges, seen)
    if (before !== undefined) return spared(before)
    const after = yield* endExport(judges, seen)
    if (after !== undefined) return spared(after)
    if (!andRemove) return { _tag: "Unexported" } satisfies Outcome
    yield* rds.remove(seen.id)
    return { _tag: "Removed" } satisfies Outcome
  },
  (cleaned, _judges, { id }) => Effect.flatMap(VolumeLock, (lock) => lock.tryLock(id)(cleaned))
)

/** What makes it another volume than the one that was seen, as text: whoever changed any of it has dealt with it. */
export const formOf = ({ comment, exported, path, sizeBytes, slot }: RdsVolume): string =>
  JSON.stringify([slot, path, comment, exported, String(sizeBytes)])

/** Why the volume must not be touched now; undefined when it is what was seen, and an orphan. */
const objectionTo = Effect.fnUntraced(function*({ references, scope }: Judges, seen: RdsVolume) {
  const rds = yield* RdsClient
  const judge = judgeBy(yield* references, scope)
  const now = Option.getOrUndefined(yield* rds.get(seen.id))
  if (now === undefined) return "it is gone already"
  if (formOf(now) !== formOf(seen)) return changed
  const verdict = judge(now)
  return verdict._tag === "Orphan" ? undefined : describeVerdict(verdict)
})

const changed = "it has changed since it was looked at"

/** Answers why the volume must not be touched after all; then its export is as it was. */
const endExport = Effect.fnUntraced(function*(judges: Judges, seen: RdsVolume) {
  const rds = yield* RdsClient
  return yield* Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
    const ended = Option.getOrUndefined(yield* rds.switchExport(seen, false))
    if (ended === undefined) return changed
    const undo = seen.exported ? exportAgain(seen) : Effect.void
    const why = yield* restore(objectionTo(judges, ended)).pipe(Effect.onError(() => Effect.ignore(undo)))
    if (why !== undefined) yield* undo
    return why
  }))
})

/** Whatever else has become of it: its export is what this driver has changed. */
const exportAgain = Effect.fnUntraced(
  function*({ id }: RdsVolume) {
    const rds = yield* RdsClient
    const now = yield* rds.get(id)
    if (Option.isSome(now)) yield* rds.switchExport(now.value, true)
  },
  (exported, { id }) =>
    Effect.tapError(
      exported,
      ({ message }) =>
        Effect.logError(`the export of volume ${id} could not be switched on again, do it on the appliance: ${message}`)
    )
)
