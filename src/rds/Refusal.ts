import { Option } from "effect"
import { ApplianceConflict, ApplianceRefused, PoolFull, type ScriptFailed } from "./Errors.ts"

/**
 * What RouterOS' own words mean, once the state was read again and does not explain them. The texts of `/disk` are not
 * documented, so only plain words in them are taken for a meaning.
 */
export const refusal = (
  attempt: string,
  failure: Option.Option<ScriptFailed>
): PoolFull | ApplianceConflict | ApplianceRefused => {
  const text = Option.match(failure, { onNone: () => "it gave no reason", onSome: ({ text }) => text })
  const message = `the appliance refused to ${attempt}: ${text}`
  if (/no space|not enough (free )?space|disk full|out of space/i.test(text)) return new PoolFull({ message })
  if (/already (have|exist)|in use|used by/i.test(text)) return new ApplianceConflict({ message })
  return new ApplianceRefused({ message })
}
