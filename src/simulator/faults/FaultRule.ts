import { Data, Duration, Result } from "effect"

/** When a command is broken off: before anything runs; after `step` changes of the device; after it ran, with its answer lost. */
export type Moment = "before" | "during" | "after"

export type FaultAction =
  /** The command is broken off: the connection is cut, or nothing is answered any more, or the device restarts. */
  | { readonly _tag: "Break"; readonly how: "cut" | "hang"; readonly moment: Moment; readonly step: number }
  | {
    readonly _tag: "Break"
    readonly how: "reboot"
    readonly moment: Moment
    readonly step: number
    readonly down: Duration.Duration
  }
  /** The command's `step`th change of the device fails with this text instead; scripts can catch it. */
  | { readonly _tag: "Error"; readonly text: string; readonly step: number }
  /** This text is answered in place of running anything. */
  | { readonly _tag: "Answer"; readonly text: string }
  | { readonly _tag: "Delay"; readonly duration: Duration.Duration }
  | { readonly _tag: "PoolFull" }
  | { readonly _tag: "SlowRemove"; readonly duration: Duration.Duration }
  | { readonly _tag: "RefuseAuth" }
  | { readonly _tag: "NewHostKey" }

export type FaultPlace = "exec" | "job"

/** A fault and the commands or logins that meet it. */
export interface FaultRule {
  /** As it was written. */
  readonly text: string
  readonly action: FaultAction
  /** Whether it applies to exec lines, or to scripts that run in the background. */
  readonly place: FaultPlace
  /** Lines or scripts it applies to; without it, every one. */
  readonly match?: RegExp
  /** User it applies to; without it, everyone. */
  readonly user?: string
  /** The first of the matching commands that it applies to, from 1. */
  readonly nth: number
  /** How many times it applies; Infinity = always. */
  readonly count: number
}

/** A rule that does not follow the grammar. `message` names the word and what is allowed. */
export class InvalidFault
  extends Data.TaggedError("InvalidFault")<{ readonly rule: string; readonly message: string }>
{}

/** The grammar, as `--help` and error messages show it. */
export const faultGrammar =
  `A rule is one action and what it applies to, as words separated by blanks; quote a value that has blanks: error="no such item".
Actions:
  cut=before|during|after      drop the SSH connection before the command runs; after its first change of the device
                               (step=N: the Nth; with fewer: at its end), the rest does not run; or after it ran
  hang=before|during|after     as cut, but the connection stays open and nothing more is answered
  reboot=before|during|after   as cut, and the device restarts; down=TIME is how long it is away (default 1s)
  error=TEXT                   the first change of the device (step=N: the Nth) fails with TEXT, which scripts can catch
  answer=TEXT                  nothing runs, TEXT is answered
  delay=TIME                   the command starts that much later
  pool-full                    the command finds no free space
  slow-remove=TIME             removing a file or a subvolume takes that long
  refuse-auth                  a login is refused
  new-host-key                 a connection is offered another host key
Applies to:
  match=REGEX                  exec lines that match (default: all)
  in=job                       scripts that run in the background, of :execute and /system/script/run, in place of exec lines;
                               match= looks at their text, and cut ends the job
  user=NAME                    this user's
  nth=N                        from the Nth match on (default 1)
  count=N|all                  that many times (default 1)
TIME is a number and ms, s or m: 250ms, 3s, 1m.`

interface Words {
  readonly rule: string
  readonly values: ReadonlyMap<string, string>
}

const actionWords = [
  "cut",
  "hang",
  "reboot",
  "error",
  "answer",
  "delay",
  "pool-full",
  "slow-remove",
  "refuse-auth",
  "new-host-key"
] as const
type ActionWord = (typeof actionWords)[number]

const withoutValue: ReadonlySet<string> = new Set(["pool-full", "refuse-auth", "new-host-key"])

/** Words that qualify an action, beside match, user, nth and count. */
const qualifiers: Readonly<Record<ActionWord, ReadonlyArray<string>>> = {
  cut: ["step"],
  hang: ["step"],
  reboot: ["step", "down"],
  error: ["step"],
  answer: [],
  delay: [],
  "pool-full": [],
  "slow-remove": [],
  "refuse-auth": [],
  "new-host-key": []
}

const moments: ReadonlyArray<Moment> = ["before", "during", "after"]

/** Reads one rule of the grammar above. */
export const parseFaultRule = (rule: string): Result.Result<FaultRule, InvalidFault> =>
  Result.gen(function*() {
    const words = yield* splitWords(rule)
    const action = yield* findAction(words)
    yield* checkWords(words, action)
    const match = yield* parseRegExp(words)
    const user = words.values.get("user")
    return {
      text: rule.trim(),
      action: yield* parseAction(words, action),
      place: yield* parsePlace(words),
      ...(match === undefined ? {} : { match }),
      ...(user === undefined ? {} : { user }),
      nth: yield* positive(words, "nth", 1),
      count: words.values.get("count") === "all" ? Infinity : yield* positive(words, "count", 1)
    }
  })

const invalid = (rule: string, message: string) =>
  Result.fail(new InvalidFault({ rule, message: `${message} (rule: ${rule})` }))

const splitWords = (rule: string): Result.Result<Words, InvalidFault> => {
  const values = new Map<string, string>()
  let rest = rule.trim()
  while (rest !== "") {
    const [all, key, quoted, bare] = /^([a-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?:\s+|$)/.exec(rest) ?? []
    if (all === undefined || key === undefined) return invalid(rule, `"${rest}" is not word or word=value`)
    if (values.has(key)) return invalid(rule, `"${key}" is there twice`)
    const hasValue = quoted !== undefined || bare !== undefined
    if (hasValue === withoutValue.has(key)) {
      return invalid(rule, hasValue ? `"${key}" takes no value` : `"${key}" needs a value: ${key}=…`)
    }
    values.set(key, quoted?.replace(/\\(["\\])/g, "$1") ?? bare ?? "")
    rest = rest.slice(all.length)
  }
  return Result.succeed({ rule, values })
}

const findAction = ({ rule, values }: Words): Result.Result<ActionWord, InvalidFault> => {
  const [action, second] = actionWords.filter((word) => values.has(word))
  if (action === undefined) return invalid(rule, `no action; one of ${actionWords.join(", ")} is needed`)
  return second === undefined ? Result.succeed(action) : invalid(rule, `two actions, ${action} and ${second}`)
}

const checkWords = ({ rule, values }: Words, action: ActionWord): Result.Result<void, InvalidFault> => {
  const login = action === "refuse-auth" || action === "new-host-key"
  const allowed = [
    action,
    ...qualifiers[action],
    ...login ? [] : ["match"],
    ...login || action === "answer" ? [] : ["in"],
    ...action === "new-host-key" ? [] : ["user"],
    "nth",
    "count"
  ]
  const unknown = [...values.keys()].find((word) => !allowed.includes(word))
  return unknown === undefined
    ? Result.succeed(undefined)
    : invalid(rule, `"${unknown}" does not go with ${action}; allowed: ${allowed.slice(1).join(", ")}`)
}

const parseAction = (words: Words, action: ActionWord): Result.Result<FaultAction, InvalidFault> =>
  Result.gen(function*() {
    const text = words.values.get(action) ?? ""
    switch (action) {
      case "cut":
      case "hang":
        return {
          _tag: "Break",
          how: action,
          moment: yield* moment(words, action),
          step: yield* positive(words, "step", 1)
        }
      case "reboot":
        return {
          _tag: "Break",
          how: action,
          moment: yield* moment(words, action),
          step: yield* positive(words, "step", 1),
          down: yield* time(words, "down", Duration.seconds(1))
        }
      case "error":
        return { _tag: "Error", text, step: yield* positive(words, "step", 1) }
      case "answer":
        return { _tag: "Answer", text }
      case "delay":
        return { _tag: "Delay", duration: yield* time(words, action, Duration.zero) }
      case "pool-full":
        return { _tag: "PoolFull" }
      case "slow-remove":
        return { _tag: "SlowRemove", duration: yield* time(words, action, Duration.zero) }
      case "refuse-auth":
        return { _tag: "RefuseAuth" }
      case "new-host-key":
        return { _tag: "NewHostKey" }
    }
  })

const parsePlace = ({ rule, values }: Words): Result.Result<FaultPlace, InvalidFault> => {
  const value = values.get("in") ?? "exec"
  return value === "exec" || value === "job"
    ? Result.succeed(value)
    : invalid(rule, `in=${value}; allowed: exec, job`)
}

const moment = ({ rule, values }: Words, word: string): Result.Result<Moment, InvalidFault> => {
  const found = moments.find((name) => name === values.get(word))
  return found === undefined
    ? invalid(rule, `${word}=${values.get(word)}; allowed: ${moments.join(", ")}`)
    : Result.succeed(found)
}

const positive = ({ rule, values }: Words, word: string, otherwise: number): Result.Result<number, InvalidFault> => {
  const value = values.get(word)
  if (value === undefined) return Result.succeed(otherwise)
  return /^[1-9][0-9]{0,8}$/.test(value)
    ? Result.succeed(Number(value))
    : invalid(rule, `${word}=${value}; allowed: a number from 1${word === "count" ? " or all" : ""}`)
}

const time = ({ rule, values }: Words, word: string, otherwise: Duration.Duration) => {
  const value = values.get(word)
  if (value === undefined) return Result.succeed(otherwise)
  const parsed = parseTime(value)
  return parsed === undefined
    ? invalid(rule, `${word}=${value}; allowed: a number and ms, s or m, as in 250ms`)
    : Result.succeed(parsed)
}

/** `250ms`, `3s`, `1m`; anything else is undefined. */
export const parseTime = (text: string): Duration.Duration | undefined => {
  const [, digits, unit] = /^([0-9]{1,9})(ms|s|m)$/.exec(text) ?? []
  return unit === undefined
    ? undefined
    : Duration.millis(Number(digits) * (unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000))
}

const parseRegExp = ({ rule, values }: Words): Result.Result<RegExp | undefined, InvalidFault> => {
  const source = values.get("match")
  if (source === undefined) return Result.succeed(undefined)
  return Result.try({
    try: () => new RegExp(source),
    catch: () => new InvalidFault({ rule, message: `match=${source} is not a regular expression (rule: ${rule})` })
  })
}
