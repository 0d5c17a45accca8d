/**
 * Shows that the tests of src/attachment/ notice when its code is wrong: each small change to it, one at a time, must make one
 * of them fail, or is listed below with the reason why it changes nothing.
 *
 * `node scripts/mutate-attachment.ts` tries them all, which takes a quarter of an hour; `… Commit.ts Fencing.ts` those of these
 * files. `--workers 1` tries one at a time, `--verbose` says which test noticed what.
 */
import { readdir, readFile } from "node:fs/promises"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { mutantsOf } from "./mutants.ts"
import { Copy, type Suite, type Trial, type Verdict } from "./mutation-trials.ts"
import { root } from "./run.ts"

/** A change that no test can notice. `line` is part of the changed line, `what` part of the change. */
interface Equivalent {
  readonly file: string
  readonly line: string
  readonly what: string
  readonly reason: string
}

const settledAnyway =
  "of a volume that is as it should be nothing comes when it is worked on as well; it only takes longer"

const equivalents: ReadonlyArray<Equivalent> = [
  {
    file: "Errors.ts",
    line: "class EventsUnavailable",
    what: "\"EventsUnavailable\" became empty",
    reason:
      "nobody tells this error from others: an event that could not be delivered is sent again, whatever the cause"
  },
  {
    file: "Commit.ts",
    line: "commands.some(({ _tag }) => _tag === \"Adopt\")",
    what: "some became every",
    reason: "a pass that also drops holders of the volume lets in the others all the same, at its end"
  },
  {
    file: "ReconcilePass.ts",
    line: "compared.filter(isAmiss)",
    what: ".filter(…) left out",
    reason: settledAnyway
  },
  {
    file: "ReconcilePass.ts",
    line: "findings.ungranted.length > 0 || findings.unattached.length > 0",
    what: "> became >=",
    reason: settledAnyway
  }
]

const folder = "src/attachment"
const suite: Suite = {
  needed: [
    "src",
    "test/attachment",
    "test/properties",
    "test/support/CapturedLogs.ts",
    "test/support/Thorough.ts",
    "package.json",
    "tsconfig.json"
  ],
  compiled: ["src", "test/attachment"],
  // Not the tests that measure time.
  names: "^(?!1 000 volumes)",
  stages: ["test/attachment", "test/properties/attachment"],
  env: { RDS_CSI_MODEL_RUNS: "400", RDS_CSI_EVERY_CUT: "yes" }
}

const lineAt = (source: string, offset: number) => ({
  number: source.slice(0, offset).split("\n").length,
  text: source.slice(source.lastIndexOf("\n", offset - 1) + 1).split("\n")[0]?.trim() ?? ""
})

const describe = ({ file, source, start, what }: Trial) => {
  const { number, text } = lineAt(source, start)
  return `${file}:${number}: ${what.replaceAll(/\s+/g, " ")}\n      ${text}`
}

const equivalentOf = ({ file, source, start, what }: Trial) =>
  equivalents.find((one) =>
    file === `${folder}/${one.file}` && what.includes(one.what) && lineAt(source, start).text.includes(one.line)
  )

const { positionals: asked, values: { verbose, workers } } = parseArgs({
  allowPositionals: true,
  options: {
    verbose: { type: "boolean", default: false },
    workers: { type: "string", default: String(availableParallelism()) }
  }
})
const all = await readdir(join(root, folder))
const unknown = asked.filter((file) => !all.includes(file))
if (unknown.length > 0 || !/^[1-9]\d*$/.test(workers)) {
  console.error(
    `usage: mutate-attachment.ts [--verbose] [--workers N] [FILE…], with files of ${folder}: ${all.join(", ")}`
  )
  process.exit(64)
}
const files = asked.length === 0 ? all : asked
const trials = (await Promise.all(files.map(async (name) => {
  const file = `${folder}/${name}`
  const source = await readFile(join(root, file), "utf8")
  return mutantsOf(file, source).map((mutant): Trial => ({ ...mutant, file, source }))
}))).flat()

const begun = performance.now()
const queue = trials.filter((trial) => equivalentOf(trial) === undefined)
const counts: Record<Verdict["_tag"], number> = { Killed: 0, Endless: 0, Refused: 0, Survived: 0 }
const work = async (): Promise<void> => {
  await using copy = await Copy.make(suite)
  for (let trial = queue.shift(); trial !== undefined; trial = queue.shift()) {
    const verdict = await copy.try(trial)
    counts[verdict._tag] += 1
    if (verdict._tag === "Survived") console.log(`SURVIVED ${describe(trial)}`)
    else if (verbose) {
      console.log(`${verdict._tag} ${"by" in verdict ? verdict.by : ""}\n  ${describe(trial)}`)
    }
  }
}
await Promise.all(Array.from({ length: Math.min(Number(workers), queue.length) }, work))
const unused = equivalents.filter((one) =>
  files.includes(one.file) && !trials.some((trial) => equivalentOf(trial) === one)
)
for (const { file, line, what } of unused) console.log(`no such mutant any more: ${file}: ${what}: ${line}`)
const { Endless: endless, Killed: failing, Refused: refused, Survived: survived } = counts
const killed = failing + endless
const equivalent = trials.length - killed - refused - survived
const minutes = ((performance.now() - begun) / 60_000).toFixed(1)
console.log(
  `${trials.length} mutants in ${minutes} min: ${killed} killed by a test (${endless} of them ran into its time limit), ` +
    `${refused} refused by the compiler, ${equivalent} equivalent, ${survived} survived`
)
if (survived + unused.length > 0) process.exitCode = 1
