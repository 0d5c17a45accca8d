/**
 * JSON schemas of Kubernetes' objects for kubeconform, made of the OpenAPI document in the Go module k8s.io/kubernetes, and of
 * CustomResourceDefinitions in the modules of those who define them. No other place has to be reached for them.
 */
import { load } from "js-yaml"
import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { go } from "../go.ts"
import { contentName, kept } from "../kept.ts"

/** With the hash of the file: `go mod download` of a version is checked against nothing that is in this repository. */
const kubernetes = {
  module: "k8s.io/kubernetes@v1.37.2",
  file: "api/openapi-spec/swagger.json",
  sha256: "465276aedf437726de5a6ed23a41b86d78bb0d347edf251a755ae26a93cdd8a6"
}
/** Of VolumeSnapshotClass, PodMonitor and SecurityContextConstraints. */
const customResources = [
  {
    module: "github.com/kubernetes-csi/external-snapshotter/client/v8@v8.7.0",
    file: "config/crd/snapshot.storage.k8s.io_volumesnapshotclasses.yaml",
    sha256: "75e6565aac2c0f2949ed13ea884bbaa388cb7be576b558b709cf1168e011828d"
  },
  {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    file: "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    sha256: "8ce88c52c51209993511cae093089c9525f5552def88119e3f559123ee9d454b"
  },
  {
    module: "github.com/openshift/api@v0.0.0-20260213204242-d34f11c515b3",
    file: "security/v1/zz_generated.crd-manifests/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",
    sha256: "4194732f477a0a113da682ee3685f9edc6fc9df506ec4802575455db51a133c2"
  }
]

type Json = { readonly [key: string]: unknown }
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const read = async ({ file, module, sha256 }: typeof kubernetes, work: string): Promise<string> => {
  const found: unknown = JSON.parse(await go(work, "mod", "download", "-json", module))
  if (!isJson(found) || typeof found["Dir"] !== "string") throw new Error(`${module} has no directory`)
  const text = await readFile(join(found["Dir"], file), "utf8")
  const hash = createHash("sha256").update(text).digest("hex")
  if (hash !== sha256) throw new Error(`${module}/${file} has the SHA-256 ${hash}, and not ${sha256}`)
  return text
}

/** As kubeconform asks for it: group, version and kind. */
const nameOf = (kind: string, version: string, group: string) =>
  `${[kind.toLowerCase(), ...(group === "" ? [] : [group.split(".")[0] ?? ""]), version].join("-")}.json`

/** Objects with properties take no others, as the API server says of unknown fields; OpenAPI's own formats become JSON's. */
const strict = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(strict)
  if (!isJson(value)) return value
  if (value["format"] === "int-or-string") return { type: ["string", "integer"] }
  const closed = isJson(value["properties"]) && value["additionalProperties"] === undefined
  return {
    ...Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, strict(inner)])),
    ...(closed ? { additionalProperties: false } : {})
  }
}

/** The definitions that this value refers to, and those that they refer to. */
const referred = (value: unknown, all: Json, found: Map<string, unknown> = new Map()): ReadonlyMap<string, unknown> => {
  for (const [, name = ""] of JSON.stringify(value).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) {
    if (found.has(name)) continue
    found.set(name, all[name])
    referred(all[name], all, found)
  }
  return found
}

const fromOpenApi = (text: string): ReadonlyMap<string, Json> => {
  const document: unknown = JSON.parse(text)
  const all = isJson(document) ? strict(document["definitions"]) : undefined
  if (!isJson(all)) throw new Error("the OpenAPI document has no definitions")
  const schemas = new Map<string, Json>()
  for (const definition of Object.values(all)) {
    const kinds = isJson(definition) ? definition["x-kubernetes-group-version-kind"] : undefined
    if (!isJson(definition) || !Array.isArray(kinds) || kinds.length !== 1) continue
    const [{ group, kind, version }] = kinds
    const schema = { ...definition, definitions: Object.fromEntries(referred(definition, all)) }
    schemas.set(nameOf(String(kind), String(version), String(group)), schema)
  }
  return schemas
}

const fromResourceDefinition = (text: string): ReadonlyMap<string, Json> => {
  const definition = load(text)
  const spec = isJson(definition) ? definition["spec"] : undefined
  const versions = isJson(spec) && Array.isArray(spec["versions"]) ? spec["versions"] : []
  const names = isJson(spec) && isJson(spec["names"]) ? spec["names"] : {}
  return new Map(versions.flatMap((version: unknown) => {
    const schema = isJson(version) && isJson(version["schema"])
      ? strict(version["schema"]["openAPIV3Schema"])
      : undefined
    if (!isJson(version) || !isJson(schema) || !isJson(schema["properties"])) return []
    const properties = { ...schema["properties"], metadata: { type: "object" } }
    return [[nameOf(String(names["kind"]), String(version["name"]), String(isJson(spec) ? spec["group"] : "")), {
      ...schema,
      properties
    }]]
  }))
}

/**
 * The directory with one schema for each kind, and below `definitions` what an API server needs to know the kinds that are not
 * Kubernetes' own; made if it is not kept from before.
 */
export const provideSchemas = async (): Promise<string> =>
  kept("kubernetes-schemas", contentName(await readFile(import.meta.filename)), async (directory) => {
    const work = await mkdtemp(join(tmpdir(), "rds-csi-modules-"))
    try {
      const schemas = new Map(fromOpenApi(await read(kubernetes, work)))
      const definitions = join(directory, "definitions")
      await mkdir(definitions)
      for (const definition of customResources) {
        const text = await read(definition, work)
        await writeFile(join(definitions, basename(definition.file)), text)
        for (const [name, schema] of fromResourceDefinition(text)) schemas.set(name, schema)
      }
      for (const [name, schema] of schemas) await writeFile(join(directory, name), JSON.stringify(schema))
    } finally {
      await rm(work, { recursive: true })
    }
  })
