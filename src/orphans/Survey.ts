import { Effect, type Option } from "effect"
import { type LeftoverFile, RdsClient } from "../rds/RdsClient.ts"
import { finderIn, judgeBy, type Judged, type OrphanScope } from "./Judgement.ts"
import type { OrphanReferences, Reference } from "./OrphanReferences.ts"

/** What is on the appliance, and what of it the cluster refers to. */
export interface Survey {
  readonly judged: ReadonlyArray<Judged>
  /** Files that no item uses. Nothing tells whose they are, so they are shown and never removed. */
  readonly leftovers: ReadonlyArray<LeftoverFile & { readonly reference: Option.Option<Reference> }>
}

/** Looks at everything. The references are read last, so that none is missed that was made meanwhile. */
export const survey = Effect.fn("Orphans.survey")(
  function*(scope: OrphanScope, references: OrphanReferences["Service"]["read"]) {
    const rds = yield* RdsClient
    const leftovers = yield* rds.leftovers
    const volumes = yield* rds.list
    const known = yield* references
    const judge = judgeBy(known, scope)
    const referenceTo = finderIn(known)
    return {
      judged: volumes.map((volume) => ({ volume, verdict: judge(volume) })),
      leftovers: leftovers.map((file) => ({ ...file, reference: referenceTo(file) }))
    } satisfies Survey
  }
)
