/** The generated part of docs/metrics.md: names, types and help from the metrics, labels from the comments above them. */
import { Effect, Metric } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import * as exported from "../../src/observability/Metrics.ts"
import { root } from "../run.ts"
import { code, plain, table } from "./markdown.ts"

const file = join("src", "observability", "Metrics.ts")

/** The sections of the page, by the beginning of the names in them; the last takes what no other has. */
const sections: ReadonlyArray<{ readonly title: string; readonly names: RegExp }> = [
  { title: "CSI calls, in every process", names: /^rds_csi_grpc_/ },
  { title: "Attachments, in the controller", names: /^rds_csi_(attachment|migration|events)_/ },
  { title: "Kubernetes, in the controller", names: /^rds_csi_(kube|leader)/ },
  { title: "Orphaned volumes, in the controller", names: /^rds_csi_orphan_/ },
  { title: "The appliance, in the controller", names: /^rds_csi_rds_/ },
  { title: "Volumes on a node, in the node plugin", names: /^rds_csi_(volume|nvme|mount|stale|orphans|host)_/ },
  { title: "The process itself", names: /^(process|nodejs)_/ },
  { title: "Others", names: /^/ }
]

/** Every metric of the driver with the name under which the code exports it, in order of its own name. */
export const metrics: ReadonlyArray<readonly [string, Metric.Metric<never, unknown>]> = Object.entries(exported)
  .flatMap(([name, value]) => Metric.isMetric(value) ? [[name, value] as const] : [])
  .sort(([, a], [, b]) => a.id < b.id ? -1 : 1)

/** One table for each section that has metrics. */
export const metricTables = Effect.gen(function*() {
  const notes = yield* Effect.promise(() => readFile(join(root, file), "utf8").then(notesOf))
  const bySection = Map.groupBy(metrics, ([, { id }]) => sections.find(({ names }) => names.test(id)))
  const tables = yield* Effect.forEach(sections, (section) =>
    Effect.map(
      Effect.forEach(bySection.get(section) ?? [], ([name, metric]) => row(metric, notes.get(name) ?? "")),
      (rows) =>
        rows.length === 0 ? [] : [`## ${section.title}\n\n${table(["Metric", "Type", "Labels", "Meaning"], rows)}`]
    ))
  return tables.flat().join("\n\n")
})

const row = Effect.fnUntraced(function*(metric: Metric.Metric<never, unknown>, note: string) {
  const [labels = "", more = ""] = /^Labels?: (.*?)(?:\. (.*))?\.?$/.exec(note)?.slice(1) ?? ["", note]
  const buckets = yield* bucketsOf(metric)
  const meaning = [plain(metric.description ?? ""), more, buckets].filter((text) => text !== "").join(" ")
  return [code(metric.id), metric.type.toLowerCase(), labels, meaning]
})

const bucketsOf = Effect.fnUntraced(function*(metric: Metric.Metric<never, unknown>) {
  const state = yield* Metric.value(metric)
  return isHistogram(state) ? `Buckets: ${state.buckets.map(([limit]) => limit).join(" ")}.` : ""
})

const isHistogram = (state: unknown): state is Metric.HistogramState =>
  typeof state === "object" && state !== null && "buckets" in state

/** The text of the comment above each exported constant. */
const notesOf = (source: string): ReadonlyMap<string, string> => {
  const { comments, program } = parseSync(file, source)
  const textAbove = (start: number) => {
    const above = comments.find(({ end }) => source.slice(end, start).trim() === "" && end <= start)
    return above === undefined ? "" : above.value.replace(/^\*|\n \*/g, " ").trim()
  }
  return new Map(program.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" || statement.declaration?.type !== "VariableDeclaration") return []
    const [declared] = statement.declaration.declarations
    return declared?.id.type === "Identifier" ? [[declared.id.name, textAbove(statement.start)] as const] : []
  }))
}
