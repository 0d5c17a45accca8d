import { styleText } from "node:util"
import type { Results } from "./Results.ts"
import type { Row } from "./Round.ts"
import { isMet, type Target } from "./Targets.ts"

const paint = (style: Parameters<typeof styleText>[0], text: string) =>
  styleText(style, text, { stream: process.stdout })

/** The results as tables, one for each distance of the appliance and one for the node plugin. */
export const tables = ({ controller, node }: Results): string =>
  [
    ...[...Map.groupBy(controller, ({ latencyMillis }) => latencyMillis)].map(([latencyMillis, rows]) =>
      table(`Controller, appliance ${latencyMillis} ms away`, rows)
    ),
    table("Node plugin, kernel simulated (a block device shows up 20 ms after the connect)", node)
  ].join("\n\n")

const table = (title: string, rows: ReadonlyArray<Row>): string => {
  const loads = [...new Set(rows.map(({ inFlight }) => inFlight))]
  const heading = loads.map((inFlight) => `${inFlight} in flight`.padStart(width))
  const columns = loads.map(() => cells("p50 ms", "p99 ms", "ratio", "ssh"))
  const byName = Map.groupBy(rows, ({ floor, name }) => `${floor} ${name}`)
  const lines = [...byName.values()].sort(byFloor).map((cases) => {
    const [{ bare, name } = { bare: false, name: "" }] = cases
    const line = [name.padEnd(label), ...cases.map(figures)].join(" │ ")
    return bare ? paint("dim", line) : line
  })
  return [
    paint("bold", title),
    ["".padEnd(label), ...heading].join(" │ "),
    ["".padEnd(label), ...columns].join(" │ "),
    ...lines
  ].join("\n")
}

const label = 26
const cells = (p50: string, p99: string, ratio: string, ssh: string) =>
  `${p50.padStart(7)} ${p99.padStart(7)} ${ratio.padStart(6)} ${ssh.padStart(4)}`
const width = cells("", "", "", "").length

const figures = ({ calls, execs, p50, p99, ratio }: Row) =>
  cells(p50.toFixed(1), p99.toFixed(1), ratio.toFixed(2), (execs / calls).toFixed(execs % calls === 0 ? 0 : 2))

const byFloor = ([a]: ReadonlyArray<Row>, [b]: ReadonlyArray<Row>) => rank(a) - rank(b)
const rank = (row: Row | undefined) => row?.floor === "ssh" ? 0 : 1

/** Each target with what was measured and whether that is good enough. */
export const verdicts = (targets: ReadonlyArray<Target>): string =>
  targets.map((target) => {
    const { limit, measured, name, unit } = target
    const digits = unit === "×" || unit === "%" ? 2 : 0
    const numbers = `${measured.toFixed(unit === "commands" ? 1 : digits)} of ${limit.toFixed(digits)} ${unit}`
    return `${isMet(target) ? paint("green", "ok  ") : paint("red", "MISS")} ${name.padEnd(72)} ${numbers.padStart(22)}`
  }).join("\n")
