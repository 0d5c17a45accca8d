import { Config, Duration, Option } from "effect"
import { Flag } from "effect/cli"

/** How the text of a flag becomes its value. */
export interface Reading<A> {
  /** Stands for the value in `--help`. */
  readonly metavar: string
  readonly parse: (text: string) => Option.Option<A>
  /** What `parse` accepts, for the error message: `Invalid value for flag --x: "y". Expected …`. */
  readonly expected: string
  /** Environment variable that gives the text when the command line does not. It is read and refused in the same way. */
  readonly env?: string
}

/** A flag whose text is checked; a text that is not accepted is an error of the command line. */
export const reading = <A>(name: string, { env, expected, metavar, parse }: Reading<A>) => {
  const text = Flag.String(name)
  const given = env === undefined ? text : Flag.withFallbackConfig(text, Config.String(env))
  return given.pipe(Flag.withMetavar(metavar), Flag.filterMap(parse, () => `Expected ${expected}`))
}

/** A flag that takes a whole number of that range. */
export const int = (name: string, { env, maximum = Number.MAX_SAFE_INTEGER, minimum }: {
  readonly minimum: number
  readonly maximum?: number
  readonly env?: string
}) =>
  reading(name, {
    metavar: "<n>",
    parse: (text) =>
      /^[0-9]{1,15}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum
        ? Option.some(Number(text))
        : Option.none(),
    expected: maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${minimum} or more`
      : `a whole number from ${minimum} to ${maximum}`,
    ...(env === undefined ? {} : { env })
  })

/** A flag that takes one of a few words. */
export const choice = <const A extends string>(name: string, choices: ReadonlyArray<A>, env?: string) =>
  reading(name, {
    metavar: choices.join("|"),
    parse: (text) => Option.fromUndefinedOr(choices.find((word) => word === text)),
    expected: choices.join(" or "),
    ...(env === undefined ? {} : { env })
  })

const unitMillis = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const isTimeUnit = (text: string): text is keyof typeof unitMillis => Object.hasOwn(unitMillis, text)

/** A length of time as Go and Kubernetes write it: `250ms`, `1.5h`. */
export const parseTimeSpan = (text: string): Option.Option<Duration.Duration> => {
  const [, number, unit = ""] = /^([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)$/.exec(text) ?? []
  return isTimeUnit(unit) ? Option.some(Duration.millis(Number(number) * unitMillis[unit])) : Option.none()
}

/** A flag that takes a length of time. */
export const timeSpan = (name: string) =>
  reading(name, {
    metavar: "<time>",
    parse: parseTimeSpan,
    expected: "a time with a unit: 250ms, 30s, 5m or 1h"
  })

const unitBytes = { "": 1n, Ki: 1n << 10n, Mi: 1n << 20n, Gi: 1n << 30n, Ti: 1n << 40n } as const
const isSizeUnit = (text: string): text is keyof typeof unitBytes => Object.hasOwn(unitBytes, text)

/** A flag that takes bytes as a Kubernetes quantity with a binary unit: `1073741824`, `512Mi`, `16Ti`. */
export const bytes = (name: string) =>
  reading(name, {
    metavar: "<bytes>",
    parse: (text) => {
      const [, number, unit] = /^([0-9]{1,18})(|Ki|Mi|Gi|Ti)$/.exec(text) ?? []
      return number === undefined || unit === undefined || !isSizeUnit(unit)
        ? Option.none()
        : Option.some(BigInt(number) * unitBytes[unit])
    },
    expected: "bytes, or a number with the unit Ki, Mi, Gi or Ti"
  })

/** A flag that takes a name of that form. */
export const name = (flag: string, form: RegExp, { env, expected }: Pick<Reading<string>, "env" | "expected">) =>
  reading(flag, {
    metavar: "<name>",
    parse: Option.liftPredicate((text: string) => form.test(text)),
    expected,
    ...(env === undefined ? {} : { env })
  })
