import type { Judged } from "./Judgement.ts"

/** Orphans that one pass does something about; the others wait for the next. */
export const maxPerPass = 5

/** Orphans that are never too many, however few volumes there are. */
const alwaysFew = 2

/** Part of this cluster's volumes that may be orphans. */
const maxShare = 1 / 4

/**
 * Why nothing may be done about any of the orphans, if so. A cluster that was restored from a backup, a second one with the same
 * cluster id, or the wrong API server look like this: many volumes, or all, that nothing refers to.
 */
export const restraint = (judged: ReadonlyArray<Judged>): string | undefined => {
  const orphans = judged.filter(({ verdict }) => verdict._tag === "Orphan").length
  const referenced = judged.filter(({ verdict }) => verdict._tag === "Referenced").length
  if (orphans === 0) return undefined
  if (referenced === 0) {
    return "the cluster refers to none of the volumes on the appliance, so it may not be the cluster that made them"
  }
  const limit = Math.max(alwaysFew, Math.floor((orphans + referenced) * maxShare))
  return orphans <= limit
    ? undefined
    : `${orphans} of ${orphans + referenced} volumes are orphans, and more than ${limit} are too many to be true`
}
