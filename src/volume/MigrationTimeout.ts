import { Option } from "effect"
import { parseInteger } from "./DecimalText.ts"

const minimum = 30
const maximum = 3600
const fallback = 300

/**
 * `migrationTimeoutSeconds` as the Go driver read it, because classes and PersistentVolumes that carry it are immutable:
 * clamped to 30–3600; 300 when absent, not a number, or not positive. `warning` says what to write instead.
 */
export const decodeMigrationTimeout = (
  text: string | undefined
): { readonly seconds: number; readonly warning: Option.Option<string> } => {
  if (text === undefined) return { seconds: fallback, warning: Option.none() }
  const given = Option.filter(parseInteger(text), (seconds) => seconds > 0)
  const seconds = Option.match(given, {
    onNone: () => fallback,
    onSome: (value) => Math.min(Math.max(value, minimum), maximum)
  })
  return {
    seconds,
    warning: Option.contains(given, seconds)
      ? Option.none()
      : Option.some(
        `migrationTimeoutSeconds ${JSON.stringify(text)} is taken as ${seconds}: ` +
          `write whole seconds from ${minimum} to ${maximum}`
      )
  }
}
