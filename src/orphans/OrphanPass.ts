import { Clock, Duration, Effect } from "effect"
import { type Earlier, lookAgain } from "../attachment/GracePeriod.ts"
import { cleanOrphan, formOf, type Judges } from "./CleanOrphan.ts"
import type { Judged } from "./Judgement.ts"
import { countCleaned, countPass, namesOf, showSurvey, tell } from "./OrphanReport.ts"
import { maxPerPass, restraint } from "./Restraint.ts"
import { survey } from "./Survey.ts"

/** What a pass may do, and when. */
export interface PassConfig {
  /** How long a volume has to be an orphan, unchanged, before its export ends, and then again before it is removed. */
  readonly gracePeriod: Duration.Duration
  /** Nothing is changed; what would be is told. */
  readonly dryRun: boolean
}

/**
 * One pass over all volumes. An orphan that has been one for the grace period, in the same form at every pass in between, is no
 * longer exported; one that is not exported for as long again is removed. Answers since when each has been one, for the
 * next pass: whoever has no such answer begins to count anew.
 */
export const orphanPass = Effect.fn("Orphans.pass")(
  function*(config: PassConfig, judges: Judges, earlier: Earlier) {
    const begun = yield* Clock.monotonicTimeNanos
    const surveyed = yield* survey(judges.scope, judges.references)
    const seenBy = yield* Clock.monotonicTimeNanos
    yield* showSurvey(surveyed)
    const look = lookAgain(earlier, begun, Duration.toNanosUnsafe(config.gracePeriod))
    const orphans = surveyed.judged.filter(({ verdict }) => verdict._tag === "Orphan")
    const found = orphans.filter(({ volume }) => !look.isKnown(volume.id))
    const due = orphans.filter(({ volume }) => look.isOver(volume.id, seenBy, formOf(volume)))
    if (found.length > 0) yield* Effect.logInfo(`nothing refers to these volumes of this cluster: ${namesOf(found)}`)
    const held = due.length === 0 ? undefined : restraint(surveyed.judged)
    if (held !== undefined) yield* tellHeld(held, due)
    else if (config.dryRun) yield* tellDetected(due)
    else yield* cleanSome(judges, due)
    yield* countPass(held === undefined ? "complete" : "held")
    return look.noted
  }
)

const tellHeld = (why: string, due: ReadonlyArray<Judged>) =>
  tell({
    type: "Warning",
    reason: "OrphanCleanupHeld",
    message: `no orphan is touched: ${why}; if they are orphans all the same, remove them by name with ` +
      `"rds-csi orphans remove": ${namesOf(due)}`
  })

const tellDetected = Effect.fnUntraced(function*(due: ReadonlyArray<Judged>) {
  for (const exported of [true, false]) {
    const these = due.filter(({ volume }) => volume.exported === exported)
    if (these.length === 0) continue
    const step = exported ? "the export of these volumes would end" : "these volumes would be removed"
    yield* tell({
      type: "Normal",
      reason: "OrphanDetected",
      message: `dry run: with --orphan-dry-run=false ${step}, as nothing refers to them: ${namesOf(these)}`
    })
  }
})

/** Goes on until enough was done: a volume that cannot be cleaned must not keep the others waiting for ever. */
const cleanSome = Effect.fnUntraced(function*(judges: Judges, due: ReadonlyArray<Judged>) {
  let done = 0
  for (const judged of due) {
    if (done === maxPerPass) return
    if (yield* cleanOne(judges, judged)) done++
  }
})

const cleanOne = Effect.fnUntraced(function*(judges: Judges, { volume }: Judged) {
  const outcome = yield* cleanOrphan(judges, volume, { andRemove: !volume.exported }).pipe(
    Effect.catchTags({
      ApplianceConflict: sparing,
      ApplianceRefused: sparing,
      VolumeBusy: sparing
    })
  )
  switch (outcome._tag) {
    case "Spared":
      yield* Effect.logInfo(`volume ${volume.id} is left as it is: ${outcome.why}`)
      return false
    case "Unexported":
      yield* countCleaned("unexport")
      yield* tell({
        type: "Warning",
        reason: "OrphanUnexported",
        message:
          `[${volume.id}]: it is not exported any longer, as nothing refers to it, and will be removed; to keep it, ` +
          "add a word to the comment of its disk on the appliance and switch the export on again"
      })
      return true
    case "Removed":
      yield* countCleaned("remove")
      yield* tell({
        type: "Normal",
        reason: "OrphanCleaned",
        message:
          `[${volume.id}]: removed with its file ${volume.path} (${volume.sizeBytes} bytes), as nothing referred to it`
      })
      return true
  }
})

const sparing = ({ message }: { readonly message: string }) => Effect.succeed({ _tag: "Spared", why: message } as const)
