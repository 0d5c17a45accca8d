/**
 * Checks the Helm chart and the Kustomize manifests with the programs that people install them with: what is made of the chart
 * is up to date, both ways to install make the same objects, and every object fits the schema of its kind. `--write` writes
 * what is made of the chart.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { changesOfFixed } from "./manifests/go-chart.ts"
import {
  buildKustomization,
  chart,
  examples,
  lintChart,
  objectsIn,
  overlays,
  plainValues,
  renderChart,
  valueSets
} from "./manifests/render.ts"
import { provideSchemas } from "./manifests/schemas.ts"
import { provideTools, type Tools } from "./manifests/tools.ts"
import { conclude, installed, root, run } from "./run.ts"

/** Of a release of the Go driver's chart. */
const goValues = `${chart}/ci/go-chart-values.yaml`

const header = `# Made of ${chart} with ${plainValues}: change it there, then \`npm run check:manifests -- --write\`.\n`

/** Files under manifests/ that are made of the chart. */
const generated = async (tools: Tools): Promise<ReadonlyMap<string, string>> => {
  const plain = await renderChart(tools, [plainValues])
  const component = async (template: string, switchOn: string) =>
    (await renderChart(tools, [plainValues], ["--set", switchOn])).get(template) ?? ""
  return new Map([
    ...[...plain].map(([template, text]) => [`manifests/base/${template}`, header + text] as const),
    [
      "manifests/components/podmonitor/monitoring.yaml",
      header + await component("monitoring.yaml", "monitoring.podMonitor.enabled=true")
    ],
    [
      "manifests/components/openshift/openshift.yaml",
      header + await component("openshift.yaml", "openshift.enabled=true")
    ]
  ])
}

const stale = async (files: ReadonlyMap<string, string>): Promise<ReadonlyArray<string>> => {
  const problems: Array<string> = []
  for (const [file, text] of files) {
    const there = await readFile(join(root, file), "utf8").catch(() => undefined)
    if (there !== text) problems.push(`${file} is not what the chart makes: npm run check:manifests -- --write`)
  }
  return problems
}

/** Where two values differ, with both. */
const differing = (path: string, one: unknown, other: unknown): ReadonlyArray<string> => {
  if (isDeepStrictEqual(one, other)) return []
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return [`${path} is ${JSON.stringify(one)} by the chart and ${JSON.stringify(other)} by the kustomization`]
  }
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...keys].flatMap((key) => differing(`${path}.${key}`, Reflect.get(one, key), Reflect.get(other, key)))
}

const differences = (title: string, chartMakes: string, kustomizeMakes: string): ReadonlyArray<string> => {
  const [ones, others] = [objectsIn(chartMakes), objectsIn(kustomizeMakes)]
  return [...new Set([...ones.keys(), ...others.keys()])].flatMap((key) =>
    differing(`${title}: ${key}`, ones.get(key), others.get(key))
  )
}

/** Each with one mistake that the schemas have to find: an unknown field, a wrong type, a field that is missing. */
const mistaken = [
  "{ apiVersion: v1, kind: ServiceAccount, metadata: { name: a }, automountToken: true }",
  "{ apiVersion: v1, kind: ConfigMap, metadata: { name: a }, data: { port: 22 } }",
  "{ apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotClass, metadata: { name: a }, driver: a }",
  "{ apiVersion: monitoring.coreos.com/v1, kind: PodMonitor, metadata: { name: a }, spec: { endpoints: [] } }",
  "{ apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: { name: a }, allowHostPid: true }"
]

const validate = async ({ kubeconform }: Tools, texts: ReadonlyArray<readonly [name: string, text: string]>) => {
  const location = join(await provideSchemas(), "{{.ResourceKind}}{{.KindSuffix}}.json")
  const work = await mkdtemp(join(tmpdir(), "rds-csi-manifests-"))
  try {
    for (const [name, text] of texts) await writeFile(join(work, `${name.replaceAll("/", "_")}.yaml`), text)
    return await run([kubeconform, "-strict", "-summary", "-schema-location", location, work])
  } finally {
    await rm(work, { recursive: true })
  }
}

const conforms = async (tools: Tools, texts: ReadonlyMap<string, string>): Promise<ReadonlyArray<string>> => {
  const { code, output } = await validate(tools, [...texts])
  console.log(output.trim().split("\n").at(-1))
  const problems = code === 0 ? [] : [output]
  for (const text of mistaken) {
    if ((await validate(tools, [["mistaken", text]])).code === 0) problems.push(`kubeconform lets pass ${text}`)
  }
  return problems
}

const check = async (): Promise<void> => {
  const tools = await provideTools()
  const files = await generated(tools)
  if (process.argv.includes("--write")) {
    for (const [file, text] of files) await writeFile(join(root, file), text)
  }
  const problems = [...await stale(files), ...await changesOfFixed(tools, goValues)]
  const texts = new Map<string, string>()
  for (const values of await valueSets()) {
    await lintChart(tools, values)
    texts.set(["chart", ...values].join("_"), [...(await renderChart(tools, values)).values()].join("---\n"))
  }
  for (const { folder, values } of await overlays()) {
    await lintChart(tools, values)
    const built = await buildKustomization(tools, folder)
    problems.push(...differences(folder, [...(await renderChart(tools, values)).values()].join("---\n"), built))
    texts.set(folder, built)
  }
  texts.set(examples.kustomization, await buildKustomization(tools, examples.kustomization))
  texts.set(examples.objects, await readFile(join(root, examples.objects), "utf8"))
  problems.push(...await conforms(tools, texts))
  conclude(problems, `${texts.size} ways to install fit their schemas, and chart and kustomizations make the same`)
}

if (await installed("go")) {
  await check()
} else {
  conclude(process.env["CI"] === "true" ? ["Go is not installed"] : [], "skipped: Go is not installed")
}
