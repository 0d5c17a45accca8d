/** What the chart and the kustomizations make. */
import { loadAll } from "js-yaml"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { root, run } from "../run.ts"
import type { Tools } from "./tools.ts"

export const chart = "charts/rds-csi-driver"
export const plainValues = "manifests/values.yaml"
const overlaysFolder = "manifests/overlays"

/** What a program prints when it succeeds; throws what it said otherwise. */
const said = async (command: readonly [string, ...ReadonlyArray<string>]): Promise<string> => {
  const { code, output, stdout } = await run(command)
  if (code !== 0) throw new Error(`${command.slice(1).join(" ")} ended with ${code}:\n${output}`)
  return stdout
}

const withValues = (values: ReadonlyArray<string>) => values.flatMap((file) => ["--values", file])

/** `helm template`, by the template that each text comes from. */
export const renderChart = async (
  { helm }: Tools,
  values: ReadonlyArray<string>,
  more: ReadonlyArray<string> = []
): Promise<ReadonlyMap<string, string>> => {
  const text = await said(
    [helm, "template", "rds-csi", chart, "--namespace", "rds-csi", ...withValues(values), ...more]
  )
  const templates = new Map<string, string>()
  for (const document of text.split(/^---\n/m).filter((one) => one.trim() !== "")) {
    const [, name = "", body = ""] = /^# Source: [^\n]*\/templates\/([^\n]+)\n([^]*)$/.exec(document) ?? []
    const before = templates.get(name)
    templates.set(name, `${before === undefined ? "" : `${before}---\n`}${body.trim()}\n`)
  }
  return templates
}

export const lintChart = ({ helm }: Tools, values: ReadonlyArray<string>): Promise<string> =>
  said([helm, "lint", "--strict", "--quiet", chart, "--namespace", "rds-csi", ...withValues(values)])

export const buildKustomization = ({ kustomize }: Tools, folder: string): Promise<string> =>
  said([kustomize, "build", folder])

/** Lists of what has a name become maps: kustomize changes their order, and to Kubernetes it does not matter. */
const byName = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const named = value.map((one: unknown) => [nameIn(one), byName(one)] as const)
    return named.every(([name]) => name !== "") ? Object.fromEntries(named) : named.map(([, one]) => one)
  }
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, byName(inner)]))
    : value
}

const nameIn = (value: unknown): string =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" ? value.name : ""

/** The objects in a text, by kind, namespace and name. */
export const objectsIn = (text: string): ReadonlyMap<string, unknown> =>
  new Map(
    // A document may have nothing but a comment in it.
    loadAll(text).flatMap((object) => isRecord(object) ? [[identityOf(object), byName(object)]] : [])
  )

const identityOf = (object: unknown): string => {
  const at = (...path: ReadonlyArray<string>): unknown =>
    path.reduce((value: unknown, key) => isRecord(value) ? value[key] : undefined, object)
  return [at("apiVersion"), at("kind"), at("metadata", "namespace"), at("metadata", "name")].join(" ")
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** Kustomizations with the values of the chart that have to make the same objects. */
export const overlays = async (): Promise<
  ReadonlyArray<{ readonly folder: string; readonly values: ReadonlyArray<string> }>
> => [
  { folder: "manifests/base", values: [plainValues] },
  ...(await readdir(join(root, overlaysFolder))).sort().map((name) => ({
    folder: `${overlaysFolder}/${name}`,
    values: [plainValues, `${overlaysFolder}/${name}/values.yaml`]
  }))
]

/** What the documentation shows. */
export const examples = { kustomization: "docs/examples/install", objects: "docs/examples/install/claim.yaml" }

/** Sets of values that people may have. */
export const valueSets = async (): Promise<ReadonlyArray<ReadonlyArray<string>>> => [
  [],
  ...(await readdir(join(root, chart, "ci"))).sort().map((name) => [`${chart}/ci/${name}`])
]
