import { Cause, Effect, Layer, Logger, References } from "effect"

/** A log line as the driver wrote it. */
export interface CapturedLine {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
  /** The rendered cause, empty when there is none. */
  readonly cause: string
  /** The whole line as JSON, as production writes it. */
  readonly json: string
}

/** A logger layer at level Debug, or the one given, that keeps every line in `lines`. */
export const capturedLogs = (level: "Debug" | "Info" = "Debug") => {
  const lines: Array<CapturedLine> = []
  const logger = Logger.make<unknown, void>((options) => {
    lines.push({
      level: options.logLevel,
      message: Array.isArray(options.message) ? options.message.map(String).join(" ") : String(options.message),
      annotations: options.fiber.getRef(References.CurrentLogAnnotations),
      cause: options.cause.reasons.length === 0 ? "" : Cause.pretty(options.cause),
      json: Logger.formatJson.log(options)
    })
  })
  const layer = Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, level))
  return { lines, run: Effect.provide(layer) }
}
