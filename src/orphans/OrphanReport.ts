import { Clock, Effect, Metric } from "effect"
import * as Metrics from "../observability/Metrics.ts"
import type { Judged } from "./Judgement.ts"
import { OrphanEvents, type OrphanNotice } from "./OrphanEvents.ts"
import type { Survey } from "./Survey.ts"

/** What volumes count as in the metrics. */
const stateOf = ({ verdict, volume }: Judged) => {
  switch (verdict._tag) {
    case "Referenced":
      return "referenced"
    case "Untagged":
      return "untagged"
    case "OtherCluster":
      return "other_cluster"
    case "Misplaced":
      return "misplaced"
    case "Kept":
      return "kept"
    case "Orphan":
      return volume.exported ? "orphan" : "orphan_unexported"
  }
}

const states = [
  "referenced",
  "untagged",
  "other_cluster",
  "misplaced",
  "kept",
  "orphan",
  "orphan_unexported"
] as const satisfies ReadonlyArray<ReturnType<typeof stateOf>>

/** Shows how many volumes there are of each kind. */
export const showSurvey = Effect.fnUntraced(function*({ judged, leftovers }: Survey) {
  const counts = Map.groupBy(judged, stateOf)
  for (const state of states) {
    yield* Metric.update(Metric.withAttributes(Metrics.orphanVolumes, { state }), counts.get(state)?.length ?? 0)
  }
  yield* Metric.update(Metrics.orphanFiles, leftovers.length)
})

/** Nothing is to be seen of a replica that does not lead, so that the sum over all replicas is right. */
export const showNothing = showSurvey({ judged: [], leftovers: [] })

/** Counts a pass: `complete`, `held` back because too much would have gone, or `failed`. */
export const countPass = Effect.fnUntraced(function*(result: "complete" | "held" | "failed") {
  yield* Metric.update(Metric.withAttributes(Metrics.orphanPassesTotal, { result }), 1)
  if (result === "failed") return
  yield* Metric.update(Metrics.orphanLastPassTimestamp, (yield* Clock.currentTimeMillis) / 1000)
})

/** Counts something that was done about an orphan. */
export const countCleaned = (action: "unexport" | "remove") =>
  Metric.update(Metric.withAttributes(Metrics.orphanVolumesCleanedTotal, { action }), 1)

/** Says it in the log and as an event. */
export const tell = Effect.fnUntraced(function*(notice: OrphanNotice) {
  const events = yield* OrphanEvents
  yield* (notice.type === "Warning" ? Effect.logWarning : Effect.logInfo)(notice.message)
  yield* events.post(notice)
})

/** Volumes that a message names; there may be hundreds. */
const maxNamed = 10

/** The volumes' ids for a sentence, the first ten of them. */
export const namesOf = (judged: ReadonlyArray<Judged>): string => {
  const ids = judged.slice(0, maxNamed).map(({ volume }) => volume.id).join(", ")
  return judged.length > maxNamed ? `${ids} and ${judged.length - maxNamed} more` : ids
}
