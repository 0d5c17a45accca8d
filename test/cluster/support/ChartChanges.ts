/** What a value of the chart changes, in lines that a person can read. */
import { objectsIn, renderChart } from "../../../scripts/manifests/render.ts"
import type { Tools } from "../../../scripts/manifests/tools.ts"

const isParent = (value: unknown): value is object => typeof value === "object" && value !== null

/** Each leaf with its path. Items of a list have no index: one more in the middle is one more, and no change of the rest. */
const leaves = (path: string, value: unknown): ReadonlyArray<string> => {
  if (!isParent(value)) return [`${path}: ${String(value)}`]
  if (Array.isArray(value)) return value.flatMap((item: unknown) => leaves(path, item))
  return Object.entries(value).flatMap(([key, inner]) => leaves(`${path}.${key}`, inner))
}

/** By what an object is called, without the version of its kind and the release's prefix: its leaves. */
const render = async (tools: Tools, settings: ReadonlyArray<string>) => {
  const templates = await renderChart(tools, [], settings.flatMap((setting) => ["--set", setting]))
  const objects = objectsIn([...templates.values()].join("---\n"))
  return new Map([...objects].map(([identity, object]) => {
    const [, kind = "", , name = ""] = identity.split(" ")
    return [`${kind} ${name.replace("rds-csi-rds-csi-driver-", "")}`, leaves("", object).map(shorter)] as const
  }))
}

const shorter = (leaf: string) => leaf.replace(/^\.(spec\.template\.spec\.)?/, "")

/** Follows from the ConfigMap, and is told of by it. */
const isDerived = (leaf: string) => leaf.includes(".checksum/config: ")

/**
 * What differs from the chart's own values with these: `+` and `-` with an object and a leaf of it, or with an object alone that
 * there is only one way.
 */
export const changesBy = async (tools: Tools, ...settings: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const [before, after] = [await render(tools, []), await render(tools, settings)]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)]
    if (old === undefined) return [`+ ${name}`]
    if (now === undefined) return [`- ${name}`]
    const less = old.filter((leaf) => !now.includes(leaf) && !isDerived(leaf)).map((leaf) => `- ${name} ${leaf}`)
    return [
      ...less,
      ...now.filter((leaf) => !old.includes(leaf) && !isDerived(leaf)).map((leaf) => `+ ${name} ${leaf}`)
    ]
  })
}

/** What Helm says to a value that it does not take; empty: it takes it. */
export const refusalOf = async (tools: Tools, setting: string): Promise<string> =>
  await renderChart(tools, [], ["--set", setting]).then(() => "", (error: unknown) => String(error))
