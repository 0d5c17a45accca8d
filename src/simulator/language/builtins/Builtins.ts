import type { CommandDefinition } from "../Command.ts"
import { control } from "./Control.ts"
import { conversions } from "./Conversions.ts"
import { data } from "./Data.ts"
import { errors } from "./Errors.ts"
import { serialization } from "./Serialization.ts"
import { variables } from "./Variables.ts"

/**
 * The commands of the language by their word, as the root menu has them (RouterOS manual, Scripting: global commands).
 */
export const builtins: ReadonlyMap<string, CommandDefinition> = new Map(
  [...control, ...errors, ...variables, ...data, ...conversions, ...serialization]
    .map((definition) => [definition.name.slice(1), definition])
)
