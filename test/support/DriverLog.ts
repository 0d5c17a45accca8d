import { Effect, Schema } from "effect"
import type { DriverProcess } from "./DriverProcess.ts"

const Line = Schema.fromJsonString(Schema.Struct({
  level: Schema.String,
  message: Schema.String,
  annotations: Schema.Record(Schema.String, Schema.Unknown)
}))

/** What the process has logged so far; fails when a line of its stderr is not the JSON of a log line. */
export const logLines = Effect.fnUntraced(function*({ errors }: DriverProcess) {
  const complete = (yield* errors).split("\n").slice(0, -1)
  return yield* Effect.forEach(complete, (line) => Schema.decodeEffect(Line)(line))
})

const announcement = "metrics and health at "

/** Where the process serves /healthz, /readyz and /metrics, when it was started with a metrics address. */
export const opsUrl = Effect.fnUntraced(function*(process: DriverProcess) {
  const line = (yield* logLines(process)).find(({ message }) => message.startsWith(announcement))
  return line?.message.slice(announcement.length).replace("0.0.0.0", "127.0.0.1") ?? ""
})
