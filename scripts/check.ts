/**
 * Every check that needs no running program. `npm run check` runs them all, two at a time, slowest first;
 * `npm run check -- lint types` runs those two.
 */
import { availableParallelism } from "node:os"
import { run } from "./run.ts"

const checks: Readonly<Record<string, readonly [string, ...ReadonlyArray<string>]>> = {
  flake: ["node", "scripts/check-flake.ts"],
  effect: ["effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--strict", "--severity", "error,warning"],
  types: ["tsc", "--project", "tsconfig.json"],
  lint: ["oxlint", "--type-aware", "--deny-warnings", "--report-unused-disable-directives"],
  unused: ["knip"],
  format: ["dprint", "check"],
  generated: ["node", "scripts/check-generated.ts"],
  docs: ["node", "scripts/generate-docs.ts", "--check"],
  layering: ["node", "scripts/check-layering.ts"],
  lock: ["node", "scripts/complete-lock.ts", "--check"],
  hygiene: ["node", "scripts/check-hygiene.ts"]
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in checks))
if (unknown.length > 0) {
  console.error(`no check is called ${unknown.join(", ")}; there are ${Object.keys(checks).join(", ")}`)
  process.exit(64)
}

const queue = Object.entries(checks).filter(([name]) => asked.length === 0 || asked.includes(name))
const failed: Array<string> = []
const work = async (): Promise<void> => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, command] = next
    const start = performance.now()
    const { code, output, stdout } = await run(command)
    const took = `${((performance.now() - start) / 1000).toFixed(1)} s`.padStart(7)
    const [line = ""] = stdout.trim().split("\n").slice(-1)
    if (code === 0) {
      console.log(`ok    ${name.padEnd(10)}${took}  ${line}`)
    } else {
      failed.push(name)
      console.log(`FAIL  ${name.padEnd(10)}${took}  ${command.join(" ")}\n${output.trimEnd()}\n`)
    }
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
if (failed.length > 0) {
  console.error(`failed: ${failed.join(", ")}`)
  process.exitCode = 1
}
