import type { Schema } from "effect"

/** Whether the value is a JSON object rather than an array, a scalar or null. */
export const isJsonObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** RFC 7386: objects are merged key by key, null removes a key, everything else replaces. */
export const mergePatch = (target: Schema.Json | undefined, patch: Schema.JsonObject): Schema.JsonObject => {
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, isJsonObject(value) ? mergePatch(merged.get(key), value) : value)
  }
  return Object.fromEntries(merged)
}
