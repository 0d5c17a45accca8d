import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { root, run } from "../../scripts/run.ts"

const script = join(root, "docs", "examples", "scheduled-snapshots", "snapshot.sh")

/**
 * Stands in for kubectl: keeps a line of arguments for each call in `calls`, and what is created in `created`; answers a list
 * with those lines of `snapshots` that have the labels which the selector asks for. `fails` has the words of what fails.
 */
const kubectl = `#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
case "$*" in *"$(cat fails)"*) echo "kubectl: refused" >&2; exit 1 ;; esac
case $1 in
  create) cat > created ;;
  get)
    case $2 in
      volumesnapshot)
        selector=$(printf '%s' "$3" | sed 's/^--selector=//')
        grep -F "[$selector]" snapshots | sed 's/^.*] //' ;;
    esac ;;
esac
exit 0
`

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rds-csi-"))
  await writeFile(join(directory, "kubectl"), kubectl)
  await chmod(join(directory, "kubectl"), 0o755)
})
afterEach(() => rm(directory, { recursive: true }))

const labels = (schedule: string, pvc: string) =>
  `app.kubernetes.io/managed-by=rds-csi-snapshot-scheduler,rds-csi.srvlab.io/schedule=${schedule},rds-csi.srvlab.io/pvc=${pvc}`

interface Snapshot {
  readonly name: string
  readonly day: number
  readonly ready?: boolean
  readonly pvc?: string
  readonly labelled?: string
}

/** The line that the script's template makes of a snapshot, behind its labels. */
const lineOf = ({ day, labelled = "data", name, pvc = "data", ready }: Snapshot) =>
  `[${labels("nightly", labelled)}] 2026-01-${String(day).padStart(2, "0")}T02:15:00Z ${ready ?? ""} ${pvc} ${name}`

/** Runs the script among these snapshots; what it called kubectl for. */
const scheduled = async (
  snapshots: ReadonlyArray<Snapshot>,
  { env = {}, fails = "nothing fails" }: { readonly env?: Readonly<Record<string, string>>; readonly fails?: string } =
    {}
) => {
  await writeFile(join(directory, "snapshots"), snapshots.map(lineOf).join("\n"))
  await writeFile(join(directory, "fails"), fails)
  await writeFile(join(directory, "calls"), "")
  const { code, output } = await run(["/bin/sh", script], {
    env: {
      PATH: [directory, process.env["PATH"]].join(delimiter),
      PVC: "data",
      SCHEDULE: "nightly",
      CLASS: "rds",
      KEEP: "2",
      ...env
    }
  })
  const calls = (await readFile(join(directory, "calls"), "utf8")).split("\n").filter((line) => line !== "")
  const deleted = calls.flatMap((line) => /^delete volumesnapshot (\S+)/.exec(line)?.slice(1) ?? [])
  return { calls, code, deleted, output }
}

describe("docs/examples/scheduled-snapshots/snapshot.sh", () => {
  it("cuts a snapshot of the claim, with the labels of the schedule", async () => {
    const { code, deleted, output } = await scheduled([])
    assert.strictEqual(code, 0, output)
    assert.deepStrictEqual(deleted, [])
    const created = await readFile(join(directory, "created"), "utf8")
    assert.match(created, /^kind: VolumeSnapshot$/m)
    assert.match(created, /^ {2}name: nightly-\d{8}-\d{6}$/m)
    for (const label of labels("nightly", "data").split(",")) assert.include(created, label.replace("=", ": "))
    assert.match(created, /^ {4}persistentVolumeClaimName: data$/m)
    assert.match(created, /^ {2}volumeSnapshotClassName: rds$/m)
  })

  it("keeps the newest ready ones, in whatever order they are listed", async () => {
    const days = [3, 1, 5, 2, 4].map((day) => ({ name: `s${day}`, day, ready: true }))
    assert.deepStrictEqual((await scheduled(days)).deleted, ["s3", "s2", "s1"])
  })

  it("trap: neither deletes nor counts those that are not ready, so that failing cuts push no good one out", async () => {
    const { deleted } = await scheduled([
      { name: "good1", day: 1, ready: true },
      { name: "good2", day: 2, ready: true },
      { name: "stuck", day: 0, ready: false },
      { name: "new3", day: 3, ready: false },
      { name: "new4", day: 4 },
      { name: "new5", day: 5 }
    ])
    assert.deepStrictEqual(deleted, [])
  })

  it("leaves those of other claims alone, also one that has this claim's labels by a mistake", async () => {
    const { calls, deleted } = await scheduled([
      { name: "mine1", day: 1, ready: true },
      { name: "mine2", day: 2, ready: true },
      { name: "mine3", day: 3, ready: true },
      { name: "other", day: 1, ready: true, pvc: "other", labelled: "other" },
      { name: "mislabelled", day: 1, ready: true, pvc: "other" }
    ])
    assert.deepStrictEqual(deleted, ["mine1"])
    assert.isTrue(calls.some((line) => line.includes(`--selector=${labels("nightly", "data")}`)))
  })

  it.each(["get persistentvolumeclaim", "create", "get volumesnapshot"])(
    "deletes nothing and fails when kubectl fails at: %s",
    async (fails) => {
      const days = [1, 2, 3, 4].map((day) => ({ name: `s${day}`, day, ready: true }))
      const { code, deleted } = await scheduled(days, { fails })
      assert.notStrictEqual(code, 0)
      assert.deepStrictEqual(deleted, [])
    }
  )

  it("stops at the first deletion that fails, and says so", async () => {
    const days = [1, 2, 3, 4, 5].map((day) => ({ name: `s${day}`, day, ready: true }))
    const { code, deleted, output } = await scheduled(days, { fails: "delete volumesnapshot s2" })
    assert.notStrictEqual(code, 0)
    assert.deepStrictEqual(deleted, ["s3", "s2"])
    assert.include(output, "refused")
  })

  it.each([
    { KEEP: "0" },
    { KEEP: "-1" },
    { KEEP: "seven" },
    { KEEP: "" },
    { PVC: "" },
    { PVC: "a b" },
    { SCHEDULE: "x,y" },
    { CLASS: "$(reboot)" }
  ])("does nothing with %o", async (env) => {
    const { calls, code } = await scheduled([{ name: "s1", day: 1, ready: true }], { env })
    assert.notStrictEqual(code, 0)
    assert.deepStrictEqual(calls, [])
  })
})
