import { Effect, Option, Schema } from "effect"
import { noteReported } from "./Envelope.ts"
import { ApplianceUnsupported } from "./Errors.ts"
import { ros, type RosScript } from "./RouterOs.ts"

/** What a script reported: JSON text by label. A label is absent when the script did not come past its `report`. */
export type Facts = ReadonlyMap<string, string>

/**
 * Prints `value` as JSON behind `label`, on one line (RouterOS manual, Scripting: `:serialize`; options since 7.16).
 */
export const report = (label: string, value: RosScript): RosScript =>
  ros`:put (${`${label} `} . [:serialize to=json options=json.no-string-conversion value=${value}]);
    ${noteReported(label)}`

/**
 * Collects what a script printed through `report`. None when that is not all it reported, as `labels` has it: of a fact that is
 * not there it must be certain that the script left it out.
 */
export const fromLines = (lines: ReadonlyArray<string>, labels: ReadonlyArray<string>): Option.Option<Facts> => {
  const facts = lines.map((line) => {
    const end = line.indexOf(" ")
    return [line.slice(0, end), line.slice(end + 1)] as const
  }).filter(([label]) => labels.includes(label))
  return facts.map(([label]) => label).join(" ") === labels.join(" ") ? Option.some(new Map(facts)) : Option.none()
}

/** The fact, decoded; fails when it is absent or not of that shape. */
export const read = Effect.fnUntraced(function*<A>(
  facts: Facts,
  label: string,
  schema: Schema.Codec<A, unknown>
) {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return yield* Effect.mapError(decode(facts.get(label)), (error) =>
    new ApplianceUnsupported({
      message: `the appliance answered in a form that this driver does not understand (${label}: ` +
        `${error.message.replace(/\s+/g, " ")}); check that its RouterOS version is supported`
    }))
})
