import { Duration, Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { Flag } from "effect/cli"

const unitMillis = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const isTimeUnit = (text: string): text is keyof typeof unitMillis => Object.hasOwn(unitMillis, text)

const unitBytes = { "": 1n, Ki: 1n << 10n, Mi: 1n << 20n, Gi: 1n << 30n, Ti: 1n << 40n } as const
const isSizeUnit = (text: string): text is keyof typeof unitBytes => Object.hasOwn(unitBytes, text)

const reject = (message: string) => Effect.fail(new SchemaIssue.InvalidValue({ message }))

/** A length of time as Go and Kubernetes write it: a number with the unit ms, s, m or h, such as `250ms` or `1.5h`. */
const TimeSpan = Schema.String.pipe(Schema.decodeTo(
  Schema.Duration,
  SchemaTransformation.transformEffect({
    decode: (text: string) => {
      const [, number, unit] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(text) ?? []
      return number === undefined || unit === undefined || !isTimeUnit(unit)
        ? reject("Expected a time with a unit: 250ms, 30s, 5m or 1h")
        : Effect.succeed(Duration.millis(Number(number) * unitMillis[unit]))
    },
    encode: (duration: Duration.Duration) => Effect.succeed(`${Duration.toMillis(duration)}ms`)
  })
))

/** Bytes as a Kubernetes quantity with a binary unit: `1073741824`, `512Mi`, `1Gi`, `16Ti`. */
const Bytes = Schema.String.pipe(Schema.decodeTo(
  Schema.BigInt,
  SchemaTransformation.transformEffect({
    decode: (text: string) => {
      const [, number, unit] = /^([0-9]{1,18})(|Ki|Mi|Gi|Ti)$/.exec(text) ?? []
      return number === undefined || unit === undefined || !isSizeUnit(unit)
        ? reject("Expected bytes, or a number with the unit Ki, Mi, Gi or Ti")
        : Effect.succeed(BigInt(number) * unitBytes[unit])
    },
    encode: (bytes: bigint) => Effect.succeed(String(bytes))
  })
))

/** A flag that takes a {@link TimeSpan}. */
export const timeSpan = (name: string) => Flag.String(name).pipe(Flag.withSchema(TimeSpan), Flag.withMetavar("<time>"))

/** A flag that takes {@link Bytes}. */
export const bytes = (name: string) => Flag.String(name).pipe(Flag.withSchema(Bytes), Flag.withMetavar("<bytes>"))
