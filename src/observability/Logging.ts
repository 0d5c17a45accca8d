import { Layer, Logger, type LogLevel, References } from "effect"

/** `auto`: pretty on a terminal, JSON otherwise. */
export type LogFormat = "auto" | "json" | "pretty"

/** What is logged, and how. */
export interface LoggingOptions {
  readonly format: LogFormat
  readonly level: LogLevel.LogLevel
}

/** Logs to stderr, one JSON object a line or pretty; log lines of a traced operation also become events of its span. */
export const loggingLayer = ({ format, level }: LoggingOptions) => {
  const pretty = format === "pretty" || (format === "auto" && process.stderr.isTTY)
  return Layer.mergeAll(
    Logger.layer([pretty ? Logger.consolePretty() : Logger.withConsoleError(Logger.formatJson), Logger.tracerLogger]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, level)
  )
}
