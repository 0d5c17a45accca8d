/** A request as the rules see it. */
export interface SeenRequest {
  readonly verb: "get" | "list" | "watch" | "create" | "patch" | "replace" | "delete"
  readonly plural: string
  readonly namespace: string
  /** Empty for a collection. */
  readonly name: string
  readonly query: URLSearchParams
}

/** What goes wrong with a request. */
export type Fault =
  /** An error answer; nothing is done. */
  | { readonly _tag: "Error"; readonly code: number; readonly message?: string }
  /** The connection is cut and nothing is done. */
  | { readonly _tag: "CutBefore" }
  /** Everything is done, and the connection is cut instead of an answer. */
  | { readonly _tag: "CutAfter" }
  /** The connection is cut at once, and everything is done so many milliseconds later. */
  | { readonly _tag: "CutThenLate"; readonly millis: number }
  /** Nothing is done and nothing is answered. */
  | { readonly _tag: "Hang" }
  /** Everything is done and nothing is answered. */
  | { readonly _tag: "HangAfter" }
  /** Done and answered, but later. */
  | { readonly _tag: "Delay"; readonly millis: number }
  /** Done, and answered with 200 and something else than JSON. */
  | { readonly _tag: "Garbage" }

export interface FaultRule {
  readonly fault: Fault
  /** Requests that it is meant for; all, if absent. */
  readonly match?: (request: SeenRequest) => boolean
  /** How many matching requests it hits before it is used up; without limit, if absent. */
  readonly times?: number
}

/** The rules in force. The first one that matches hits. */
export const makeFaults = () => {
  let rules: ReadonlyArray<{ readonly rule: FaultRule; left: number }> = []
  return {
    add: (rule: FaultRule) => {
      rules = [...rules, { rule, left: rule.times ?? Infinity }]
    },
    clear: () => {
      rules = []
    },
    take: (request: SeenRequest): Fault | undefined => {
      const hit = rules.find(({ left, rule }) => left > 0 && (rule.match?.(request) ?? true))
      if (hit === undefined) return undefined
      hit.left--
      return hit.rule.fault
    }
  }
}
