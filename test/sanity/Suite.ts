/** csi-sanity, the conformance tests of kubernetes-csi: its program, how it is called, and what its report says. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { goPrograms } from "../../scripts/go.ts"
import { root } from "../../scripts/run.ts"

const folder = join(root, "test/sanity")
const GiB = 2 ** 30

/** Path of the program in the release that go.mod names; needs nothing of the machine that it runs on. */
export const provideProgram = async (): Promise<string> => {
  const packages = ["github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"]
  return join(await goPrograms({ kind: "conformance", module: folder, packages }), "csi-sanity")
}

/** The arguments for a driver at that socket; everything else lies below the directory, which exists. */
export const argumentsFor = (
  { accessType = "mount", directory, socket }: {
    readonly directory: string
    readonly socket: string
    readonly accessType?: "mount" | "block"
  }
): ReadonlyArray<string> => [
  `-csi.endpoint=${socket}`,
  `-csi.mountdir=${directory}/pod`,
  `-csi.stagingdir=${directory}/staging`,
  `-csi.testvolumeaccesstype=${accessType}`,
  `-csi.testvolumesize=${GiB}`,
  `-csi.testvolumeexpandsize=${2 * GiB}`,
  `-ginkgo.junit-report=${directory}/report.xml`,
  "-ginkgo.no-color"
]

/** What a report says, against what is expected to be skipped. */
export interface Verdict {
  /** "N passed, N failed, N skipped" */
  readonly summary: string
  /** Cases that failed, were skipped though they should not be, or the other way round. */
  readonly problems: ReadonlyArray<string>
}

/** Judges a report. No case may fail, some have to pass, and those that are skipped are those of `skipped.txt`. */
export const judge = async (report: string): Promise<Verdict> => {
  const outcomes = outcomesIn(report)
  const having = (isWanted: (status: string) => boolean) =>
    [...outcomes].filter(([, status]) => isWanted(status)).map(([name]) => name)
  const [passed, failed] = [having((status) => status === "passed"), having((status) => status === "failed")]
  const skipped = having((status) => status !== "passed" && status !== "failed")
  const expected = (await readFile(join(folder, "skipped.txt"), "utf8")).split("\n").filter((line) => line !== "")
  return {
    summary: `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`,
    problems: [
      ...passed.length > 0 ? [] : ["no case has passed"],
      ...failed.map((name) => `failed: ${name}`),
      ...skipped.filter((name) => !expected.includes(name)).map((name) => `skipped, but not in skipped.txt: ${name}`),
      ...expected.filter((name) => !skipped.includes(name)).map((name) => `in skipped.txt, but not skipped: ${name}`)
    ]
  }
}

const outcomesIn = (report: string): ReadonlyMap<string, string> => {
  const cases = report.matchAll(/<testcase name="\[It\] ([^"]*)"[^>]*? status="(\w+)"/g)
  return new Map([...cases].map(([, name = "", status = ""]) => [name.replaceAll("&#39;", "'"), status]))
}
