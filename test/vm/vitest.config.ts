import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Those that take longest first, so that no worker ends long after the other. */
const longest = ["Outages", "Crash", "Snapshots", "Nodes", "Life", "Sanity", "Image"]

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return place === -1 ? longest.length : place
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

/** What measures times has the machine to itself. */
const measuring = ["test/vm/Cost.test.ts"]

const common = {
  pool: "forks",
  // Of a machine that does other things as well.
  testTimeout: 600_000,
  hookTimeout: 600_000
} as const

/** Tests on a real kernel, in emulated machines: minutes, not seconds, and so not part of `npm test`. */
export default defineConfig({
  test: {
    // Once for both projects.
    globalSetup: ["scripts/vm/setup.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: "vm",
          include: ["test/vm/**/*.test.ts"],
          exclude: measuring,
          // Three machines for each, of which those of the outages are idle for most of the time.
          maxWorkers: 2,
          sequence: { groupOrder: 0 }
        }
      },
      { test: { ...common, name: "measured", include: measuring, maxWorkers: 1, sequence: { groupOrder: 1 } } }
    ]
  }
})
